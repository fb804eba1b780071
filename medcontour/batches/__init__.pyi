from .job import batch, push_to, source_of
from .passes import Batch, Engine, batch_with
from .run import Run, run_of
from .shards import Shard, shard_of
from .source import FolderSource
from .summary import write_summaries

__all__ = [
    "Batch",
    "Engine",
    "FolderSource",
    "Run",
    "Shard",
    "batch",
    "batch_with",
    "push_to",
    "run_of",
    "shard_of",
    "source_of",
    "write_summaries",
]
