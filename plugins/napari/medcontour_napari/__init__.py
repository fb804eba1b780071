"""medcontour in napari: findings of a classifier as curves to edit."""
