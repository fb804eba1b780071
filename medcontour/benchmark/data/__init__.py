"""Images with the places that an explanation should point at: ImageNet, COCO, folders."""
