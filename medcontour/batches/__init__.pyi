from .job import Batch, batch, batch_with, source_of
from .run import Run, run_of
from .shards import Shard, shard_of
from .source import FolderSource
from .summary import write_summaries

__all__ = [
    "Batch",
    "FolderSource",
    "Run",
    "Shard",
    "batch",
    "batch_with",
    "run_of",
    "shard_of",
    "source_of",
    "write_summaries",
]
