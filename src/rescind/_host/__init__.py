"""What an executor can ride on: an asyncio loop, or the manual host with its virtual clock."""
