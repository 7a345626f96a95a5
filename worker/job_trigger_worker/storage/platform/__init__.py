"""Checks what the platform's views say against what they may say (design 7).

`check` looks at all of it and names what is wrong, with the ids; nothing is changed.
"""
