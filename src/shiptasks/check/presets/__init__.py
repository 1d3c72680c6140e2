"""The tools that check knows, by name. A module holds a few of one kind; PRESETS gathers them."""
