// sendmmsg(2) over a whole batch: it stops at a refused message and tells why only when that message comes
// first, so the sending is resumed there, the refused one is passed over, and the rest goes on.
#pragma once

#include <cerrno>
#include <cstddef>
#include <span>

#include <sys/socket.h>

#include "vswitch/drop.h"

namespace weft {

// Why the kernel refused a packet, as the Drop that is counted.
constexpr Drop refusal(int error) noexcept {
    switch (error) {
        case EAGAIN:
        case ENOBUFS:
        case ENOMEM:
            return Drop::queue_full;
        case EMSGSIZE:
            return Drop::too_big;
        default:
            return Drop::device_error;
    }
}

// Returns how many went; calls refused(index, errno) for each that did not.
template <class Refused>
std::size_t send_batch(int fd, std::span<mmsghdr> messages, Refused&& refused) noexcept {
    std::size_t done = 0;
    std::size_t went = 0;
    while (done < messages.size()) {
        const int sent = ::sendmmsg(fd, &messages[done], static_cast<unsigned>(messages.size() - done), 0);
        if (sent > 0) {
            done += static_cast<std::size_t>(sent);
            went += static_cast<std::size_t>(sent);
        } else if (sent == 0 || errno != EINTR) {
            refused(done++, errno);
        }
    }
    return went;
}

}  // namespace weft
