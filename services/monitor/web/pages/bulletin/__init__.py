"""The monthly bulletin (办件通报), as a page and as a document for print."""
