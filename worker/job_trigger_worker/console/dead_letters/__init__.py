"""Dead letters, for admins: the list, editing, sending again."""
