"""The wall display (大屏): numbers of departments and places in big letters, which turn by themselves."""
