"""Pages: HTML from templates, with real forms and links, in the reader's language. They work without a script."""
