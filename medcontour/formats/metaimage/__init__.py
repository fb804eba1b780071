"""MetaImage label maps (`.mha`), read only."""
