from .job import Learned, learn, learn_with

__all__ = ["Learned", "learn", "learn_with"]
