"""Images with truth: made, drawn, altered, and how what was found in them is scored."""
