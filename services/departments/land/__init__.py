"""The land department: files over SFTP."""
