"""Files of weights, and their fit to a network."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from medcontour import limits
from medcontour.errors import MedcontourError

__all__ = ["check_file", "check_packed", "load_weights", "read_states", "state_sha256"]

_USUAL = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "net_state_dict",
    "network_state_dict",
    "model",
    "network",
    "net",
    "module",
    "weights",
    "params",
)
_PREFIXES = ("", "model.", "net.", "network.", "module.", "classifier.", "backbone.")
_COMPILED = "_orig_mod."
_WRAPPERS = ("_orig_mod", "module")
_COUNTERS = "num_batches_tracked"  # counts batches of training, and changes nothing after it
_NAMED = 3


def load_weights(network: nn.Module, path: Path) -> tuple[str, ...]:
    """Load a file of weights into a network.

    Parameters
    ----------
    network
        Takes the weights, in its own number format.
    path
        A ``.safetensors`` file, or what ``torch.save`` wrote: a state dict, by itself or anywhere
        in a checkpoint. It is read with ``weights_only=True``. Where the names have a prefix that
        the network's do not (Lightning's "model.", "net."; "module." of DataParallel;
        "_orig_mod." of torch.compile) it is left out.

    Returns
    -------
    tuple of str
        Notes: which tensors of the file are no part of the network.

    Raises
    ------
    MedcontourError
        When the file is missing, holds something else than weights, or does not fit.
    """
    states = list(read_states(path))
    for wrapper in _WRAPPERS:  # torch.compile and DataParallel hold the network itself
        network = inner if isinstance(inner := getattr(network, wrapper, 0), nn.Module) else network
    wanted = network.state_dict()
    for state in states:
        for prefix in _fitting_prefixes(wanted, state):
            own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            if not set(own) <= set(wanted):
                continue
            for key in set(wanted) - set(own):  # counters alone: see _fitting_prefixes
                own[key] = wanted[key]
            if not _misshapen(wanted, own):
                network.load_state_dict(own)
                return _left_out(path, [key for key in state if not key.startswith(prefix)])
    raise _misfit(path, wanted, states[0])


def read_states(path: Path) -> Iterator[dict[str, Tensor]]:
    """Give the state dicts that a file holds, the likeliest first.

    Raises
    ------
    MedcontourError
        When the file is missing, or holds something else or more than weights.
    """
    check_file(path)
    check_packed(path)
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise MedcontourError(
            f"{path} holds more than weights, and reading it could run code, so it is refused; "
            "save the network's state_dict() alone."
        ) from error
    except Exception as error:  # a damaged file raises nearly anything
        raise MedcontourError(
            f"{path} is no readable file of weights ({type(error).__name__}); it may be damaged "
            "or of another kind: get it again."
        ) from error
    found = list(_states(content))
    if not found:
        raise MedcontourError(
            f"{path} holds no state dict; save the network's state_dict() with torch.save."
        )
    yield from found


def state_sha256(state: Mapping[str, Any]) -> str:
    """Give the SHA-256 of a state dict: of name, dtype, shape and bytes of each tensor, by name."""
    digest = hashlib.sha256()
    for key, value in sorted(state.items()):
        if isinstance(value, Tensor):
            tensor = value.detach().cpu().contiguous()
            digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def check_file(path: Path) -> None:
    """Refuse a path that is no file.

    Raises
    ------
    MedcontourError
        When nothing, or something else, is there.
    """
    limits.check_file(path)
    if not path.is_file():
        raise MedcontourError(f"There is no file {path}; check the path.")


def check_packed(path: Path) -> None:
    """Refuse a file that memory does not hold: by its size, or by what its archive says it holds.

    Raises
    ------
    MedcontourError
        With how much it would take.
    """
    needed, remedy = path.stat().st_size, "give the weights of a smaller network"
    limits.check_memory(needed, str(path), remedy)
    try:
        with zipfile.ZipFile(path) as archive:
            needed = sum(entry.file_size for entry in archive.infolist())
    except Exception:  # no archive, or a damaged one: whoever reads it says so
        return
    limits.check_memory(needed, str(path), remedy)


def _states(
    content: Any, depth: int = 0, seen: set[int] | None = None
) -> Iterator[dict[str, Tensor]]:
    """State dicts anywhere in a checkpoint, under the usual names first, each once."""
    seen = set() if seen is None else seen
    if not isinstance(content, Mapping) or depth > 3 or id(content) in seen:
        return
    seen.add(id(content))
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if tensors and len(tensors) == len(content):
        yield {key.replace(_COMPILED, ""): value for key, value in tensors.items()}
        return
    usual = [key for key in _USUAL if key in content]
    for key in (*usual, *(key for key in content if key not in usual)):
        yield from _states(content[key], depth + 1, seen)


def _fitting_prefixes(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Prefixes under which a state dict has all of a network's tensors, the usual ones first."""
    needed = [key for key in wanted if not key.endswith(_COUNTERS)]
    if not needed:
        return [""] if not state else []
    longest = max(needed, key=len)
    prefixes = {key[: -len(longest)] for key in state if key.endswith(longest)}
    fitting = [p for p in prefixes if all(p + key in state for key in needed)]
    rank = {prefix: place for place, prefix in enumerate(_PREFIXES)}
    return sorted(fitting, key=lambda p: (rank.get(p, len(rank)), len(p), p))


def _left_out(path: Path, keys: list[str]) -> tuple[str, ...]:
    if not keys:
        return ()
    named = ", ".join(keys[:_NAMED]) + (", ..." if len(keys) > _NAMED else "")
    return (f"{len(keys)} tensors of {path.name} are no part of the network ({named}).",)


def _misfit(
    path: Path, wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]
) -> MedcontourError:
    shared = [p for p in _PREFIXES if p and state and all(key.startswith(p) for key in state)]
    own = {key.removeprefix(shared[0]) if shared else key: v for key, v in state.items()}
    return MedcontourError(
        f"The weights in {path} do not fit the network ({len(set(wanted) - set(own))} of its "
        f"{len(wanted)} tensors are missing, {len(set(own) - set(wanted))} are unknown to it, "
        f"{_misshapen(wanted, own)} have another shape); give the network that they were "
        "trained with."
    )


def _misshapen(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> int:
    return sum(key in state and state[key].shape != value.shape for key, value in wanted.items())
