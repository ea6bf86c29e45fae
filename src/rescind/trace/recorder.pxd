# Compiled, but for nothing that needs a declaration.
