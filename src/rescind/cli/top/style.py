"""How the screen of `rescind top` is laid out."""

from typing import Final

__all__ = ["CSS"]

CSS: Final = """
Screen { background: $background; }
Head { height: auto; padding: 0 1; background: $panel; }
#body { height: 1fr; layout: vertical; }
Rows { height: 1fr; scrollbar-size-vertical: 1; overflow-x: hidden; }
Rows > .rows--head { background: $panel; color: $text-muted; }
Rows > .rows--chosen { background: $surface-lighten-2; color: $foreground; text-style: bold; }
Rows:focus > .rows--chosen { background: $primary-darken-2; color: $foreground; text-style: bold; }
#details {
    height: 40%; max-height: 16; min-height: 7;
    border: round $primary; border-title-style: bold; border-title-color: $foreground;
    padding: 0 1; scrollbar-size-vertical: 1;
}
#details:focus { border: round $accent; }
.-wide #body { layout: horizontal; }
.-wide Rows { width: 2fr; height: 1fr; }
.-wide #details { width: 1fr; height: 1fr; max-height: 100%; }
#filter { display: none; height: 1; border: none; padding: 0 1; background: $boost; }
#keys { height: 1; padding: 0 0 0 1; background: $panel; }
ModalScreen { align: center middle; background: $background 60%; }
.dialog {
    width: 76; max-width: 100%; height: auto; max-height: 100%;
    border: round $accent; border-title-style: bold; border-subtitle-color: $text-muted;
    padding: 0 1; background: $surface;
}
.dialog Input { height: 1; border: none; background: $boost; }
.dialog .hint { color: $text-muted; margin-top: 1; }
#wrong { height: auto; }
#buttons { height: 1; }
#buttons Button { margin-right: 2; }
#choose OptionList { height: auto; max-height: 16; border: none; background: $surface; }
"""
