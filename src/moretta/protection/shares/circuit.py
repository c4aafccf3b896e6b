"""The sign of many shared integers, as exclusive-or shares of one bit each, without anybody seeing an integer.

Belongs here: the circuit of one party, as a generator that says what it sends and what it awaits. Does not belong here:
connections, what the integers mean.

Party i holds an additive share z_i of each value. After one exchange party 0 knows A = z_0 + z_1 and parties 1 and 2 know
B = z_2, each of them uniformly random on its own. The sign is the top bit of A + B: top(A) ^ top(B) ^ carry. Because A is known
to one side and B to the other, the carry of a group of bits is a sum of products (a function of A) AND (a function of B), and
all products of a group cost one exchange of one bit. A tree of ANDs then joins the groups.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from moretta.protection.shares.kernel import and_shares, byte_planes
from moretta.protection.shares.streams import Bytes, Streams

# Values are handled in blocks so that a plane is a whole number of 64-bit words.
BLOCK = 64
# Bits of a group: the 15 bits below the sign are 4 groups, and the tree has 2 levels. Groups of 3 would save party 0 a fifth
# of its traffic and cost one more exchange, which between regions takes longer.
GROUP = 4

Planes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One round of one party: bytes for other parties by index, and how many bytes are awaited from which."""

    sends: Mapping[int, Planes] = field(default_factory=dict)
    awaits: Mapping[int, int] = field(default_factory=dict)


Received = Mapping[int, Bytes]
SignShares = tuple[Planes, Planes]
SignCircuit = Generator[Exchange, Received, SignShares]


@dataclass(frozen=True, slots=True)
class _Shared:
    """Bit planes of shape (planes, bytes): this party's two of the three exclusive-or shares."""

    first: Planes
    second: Planes


def padded(count: int, at_least: int) -> int:
    """The least multiple of BLOCK that leaves room for `at_least` values after `count`."""
    return -(-(count + at_least) // BLOCK) * BLOCK


def signs(
    index: int, values: npt.NDArray[np.uint16] | npt.NDArray[np.uint32], streams: Streams, group: int = GROUP
) -> SignCircuit:
    """Bit i of the result is set where value i is negative; little-endian bits, shape (n / 8,).

    Args:
        index: which party this is.
        values: its additive shares, shape (n,), n a multiple of BLOCK. They are masked here.
        streams: used for nothing else.
        group: bits whose carry is made in one exchange; the same for all parties.
    """
    a, b = yield from _split(index, _masked(values, streams), streams, group)
    low, high = _carries(index, a, b, streams, _groups(8 * values.itemsize, group))
    sent = np.concatenate((low, high))
    carry = yield from _reshared(index, sent)
    groups = low.shape[0]
    generate = _Shared(carry.first[:groups], carry.second[:groups])
    propagate = _Shared(carry.first[groups:], carry.second[groups:])
    while generate.first.shape[0] > 1:
        generate, propagate = yield from _joined(index, generate, propagate, streams)
    top = _top(index, a, b)
    return (top.first ^ generate.first[0]), (top.second ^ generate.second[0])


def _masked(
    values: npt.NDArray[np.uint16] | npt.NDArray[np.uint32], streams: Streams
) -> npt.NDArray[np.uint16] | npt.NDArray[np.uint32]:
    own = streams.own.draw(values.nbytes).view(values.dtype)
    following = streams.next.draw(values.nbytes).view(values.dtype)
    masked: npt.NDArray[np.uint16] | npt.NDArray[np.uint32] = values + own - following
    return masked


def _planes(values: npt.NDArray[np.generic]) -> Planes:
    octets = np.ascontiguousarray(values).view(np.uint8).reshape(values.size, -1)
    planes = np.empty((8 * octets.shape[1], values.size // 8), np.uint8)
    byte_planes(octets, planes)
    return planes


def _split(
    index: int, masked: npt.NDArray[np.uint16] | npt.NDArray[np.uint32], streams: Streams, group: int
) -> Generator[Exchange, Received, tuple[Planes, Planes]]:
    """Two exchanges. Gives a share of A's products as `_products` orders them, and B's planes (party 0: the other share)."""
    count = _product_count(8 * masked.itemsize, group)
    size = count * masked.size // 8
    as_bytes = masked.view(np.uint8)
    if index == 0:
        received = yield Exchange(awaits={1: masked.nbytes})
        a = _products(_planes(masked + received[1].view(masked.dtype)), group)
        first = streams.own.draw(size).reshape(count, -1)
        second = np.bitwise_xor(a, first, out=a)
        yield Exchange(sends={1: second})
        return first, second
    if index == 1:
        received = yield Exchange(sends={0: as_bytes}, awaits={2: masked.nbytes})
        b = _planes(received[2].view(masked.dtype))
        received = yield Exchange(awaits={0: size})
        return received[0].reshape(count, -1), b
    yield Exchange(sends={1: as_bytes})
    share = streams.next.draw(size).reshape(count, -1)
    yield Exchange()
    return share, _planes(masked)


def _groups(bits: int, group: int) -> list[range]:
    """The bits below the sign, the lowest group first and shorter where they do not divide."""
    rest = (bits - 1) % group
    starts = ([0] if rest else []) + list(range(rest, bits - 1, group))
    ends = [*starts[1:], bits - 1]
    return [range(start, end) for start, end in zip(starts, ends, strict=True)]


def _product_count(bits: int, group: int) -> int:
    return sum((1 << len(members)) - 1 for members in _groups(bits, group)) + 1


def _products(planes: Planes, group: int) -> Planes:
    """For each group the AND of every nonempty subset of its planes (subset s at place s - 1), then the top plane."""
    bits = planes.shape[0]
    out = np.empty((_product_count(bits, group), planes.shape[1]), np.uint8)
    start = 0
    for members in _groups(bits, group):
        for subset in range(1, 1 << len(members)):
            highest = subset.bit_length() - 1
            rest = subset ^ (1 << highest)
            plane = planes[members[highest]]
            if rest:
                np.bitwise_and(out[start + rest - 1], plane, out=out[start + subset - 1])
            else:
                out[start + subset - 1] = plane
        start += (1 << len(members)) - 1
    out[-1] = planes[-1]
    return out


def _carries(index: int, a: Planes, b: Planes, streams: Streams, spans: list[range]) -> tuple[Planes, Planes]:
    """This party's share of each group's carry and (but for the lowest group) of whether it passes a carry on."""
    width = a.shape[1]
    low = streams.zero_bits(len(spans) * width).reshape(len(spans), width)
    high = streams.zero_bits((len(spans) - 1) * width).reshape(len(spans) - 1, width)
    if index == 0:
        return low, high
    start = 0
    for place, members in enumerate(spans):
        share = a[start : start + (1 << len(members)) - 1]
        generate, propagate = _functions_of_b([b[bit] for bit in members])
        _sum_of_products(low[place], generate, share, alone=index == 1)
        if place:
            _sum_of_products(high[place - 1], propagate, share, alone=index == 1)
        start += (1 << len(members)) - 1
    return low, high


def _functions_of_b(planes: list[Planes]) -> tuple[dict[int, Planes], dict[int, Planes]]:
    """The carry of a group, and whether all of its positions pass a carry on, as {subset of A's bits: function of B}.

    From the lowest bit up: carry' = a b ^ (a ^ b) carry, pass' = (a ^ b) pass, multiplied out over the bits of A.
    """
    carry: dict[int, Planes] = {}
    passes: dict[int, Planes] = {0: np.full_like(planes[0], 255)}
    for place, b in enumerate(planes):
        carry = _times(carry, b, 1 << place)
        carry[1 << place] = carry[1 << place] ^ b if 1 << place in carry else b
        passes = _times(passes, b, 1 << place)
    return carry, passes


def _times(terms: dict[int, Planes], b: Planes, bit: int) -> dict[int, Planes]:
    """Terms times (a ^ b), where `bit` marks a."""
    product = {subset | bit: plane for subset, plane in terms.items()}
    return product | {subset: plane & b for subset, plane in terms.items()}


def _sum_of_products(out: Planes, terms: dict[int, Planes], share: Planes, alone: bool) -> None:
    """out ^= sum of share[subset - 1] AND function; the function of B alone is added by one party only."""
    for subset, plane in terms.items():
        if subset:
            out ^= share[subset - 1] & plane
        elif alone:
            out ^= plane


def _reshared(index: int, own: Planes) -> Generator[Exchange, Received, _Shared]:
    """Own shares go to the previous party, the next party's come: each share is then held twice."""
    received = yield Exchange(sends={(index + 2) % 3: own}, awaits={(index + 1) % 3: own.nbytes})
    return _Shared(own, received[(index + 1) % 3].reshape(own.shape))


def _joined(
    index: int, generate: _Shared, propagate: _Shared, streams: Streams
) -> Generator[Exchange, Received, tuple[_Shared, _Shared]]:
    """One level of the tree: neighbouring groups become one; where their number is odd, the lowest stays as it is.

    `propagate` lacks the lowest group, into which no carry comes.
    """
    count = generate.first.shape[0]
    odd, pairs = count % 2, count // 2
    hi = np.arange(odd + 1, count, 2)
    lo = hi - 1
    # Whether the joined pair passes a carry on is not asked of the lowest pair, unless a single group lies below it.
    asked = hi if odd else hi[1:]
    x, y = [], []
    for g, p in ((generate.first, propagate.first), (generate.second, propagate.second)):
        x.append(np.concatenate((p[hi - 1], p[asked - 1])))
        y.append(np.concatenate((g[lo], p[asked - 2])))
    out = streams.zero_bits(x[0].size).reshape(x[0].shape)
    and_shares(*(part.reshape(-1).view(np.uint64) for part in (*x, *y, out)))
    both = yield from _reshared(index, out)
    new_g, new_p = [], []
    for g, joined in ((generate.first, both.first), (generate.second, both.second)):
        new_g.append(np.concatenate((g[:odd], joined[:pairs] ^ g[hi])))
        new_p.append(joined[pairs:])
    return _Shared(new_g[0], new_g[1]), _Shared(new_p[0], new_p[1])


def _top(index: int, a: Planes, b: Planes) -> _Shared:
    """The top bits' shares: A's are (first, second, 0), B's are (0, 0, B), over the share numbers 0, 1, 2."""
    return _Shared(b[-1], a[-1]) if index == 2 else _Shared(a[-1], b[-1])
