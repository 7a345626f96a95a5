"""What the platform's views say, held to what they may say (design 7).

`check` looks at all of it and names what is wrong, with the ids; nothing is changed.
"""
