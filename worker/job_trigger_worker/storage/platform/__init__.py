"""What the platform's views say, held to what they may say (DESIGN 11.6).

`check` looks at all of it and names what is wrong, with the ids; nothing is changed.
"""
