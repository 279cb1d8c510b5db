"""Markov chains by which packets are lost: what is to be expected of one, and how far a measurement may be from that."""
import collections
import itertools

# Of all packets, the share that is lost; of the mean of n packets the variance times n. The mean length of a burst of losses,
# and the variance of one.
Expected = collections.namedtuple("Expected", "share variance burst burst_variance")
ENOUGH = 2000  # steps after which nothing is left of where a chain began


def expected(step, lost):
    """`step[i][j]`: the chance to get from state i to state j; `lost`: the states in which a packet is lost."""
    states = range(len(step))

    def after(at):
        return [sum(at[i] * step[i][j] for i in states) for j in states]

    def only_lost(at):
        return [at[i] if i in lost else 0 for i in states]

    at = [1 / len(step) for _ in states]
    for _ in range(ENOUGH):
        at = after(at)
    share = sum(only_lost(at))

    variance = share * (1 - share)
    ahead = only_lost(at)
    for _ in range(ENOUGH):
        ahead = after(ahead)
        variance += 2 * (sum(only_lost(ahead)) - share**2)

    inside = only_lost(after([at[i] if i not in lost else 0 for i in states]))
    begun = sum(inside)
    mean = square = 0
    for length in range(ENOUGH):
        longer = sum(inside) / begun
        mean += longer
        square += (2 * length + 1) * longer
        inside = only_lost(after(inside))
    return Expected(share, variance, mean, square - mean**2)


def correlated(share, correlation):
    """Two states: so many lost, and this correlation of neighbors."""
    lost_after_good = share * (1 - correlation)
    lost_after_lost = share + correlation * (1 - share)
    return [[1 - lost_after_good, lost_after_good], [1 - lost_after_lost, lost_after_lost]]


def bursts(lost):
    """The lengths of the runs of losses in a list of booleans."""
    return [len(list(run)) for is_lost, run in itertools.groupby(lost) if is_lost]


def neighbors(lost):
    """The measured correlation of a packet's loss with that of the one before it."""
    def after(before):
        following = [now for last, now in zip(lost, lost[1:]) if last is before]
        return sum(following) / max(1, len(following))

    return after(True) - after(False)


def neighbors_variance(step, share, count):
    """Of what neighbors() measures of so many packets of correlated()."""
    (_, lost_after_good), (_, lost_after_lost) = step
    return (lost_after_good * (1 - lost_after_good) / (count * (1 - share))
            + lost_after_lost * (1 - lost_after_lost) / (count * share))
