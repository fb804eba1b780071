"""What DICOM objects share: the source's patient and study, identity, storing in an archive."""
