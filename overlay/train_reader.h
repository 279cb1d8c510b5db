// Reads trains of datagrams from a UDP socket: recvmmsg(2) for many at once, each of them several datagrams
// of one sender where UDP_GRO is on. The bytes stay in the reader's own buffers, until it reads again.
//
// How many messages a call asks for follows what the last call brought: twice as many, or so few that a batch
// of full trains stays within the processor's cache (batch_bytes). A lone packet then touches little memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <sys/socket.h>
#include <sys/uio.h>

#include "overlay/outbox.h"
#include "overlay/socket_address.h"
#include "overlay/underlay_socket.h"
#include "vswitch/drop.h"

namespace weft {

class TrainReader {
  public:
    TrainReader();

    // Replaces `out` by what one call brings. True if there may be more.
    bool read(UnderlaySocket& socket, Channel channel, std::vector<ReceivedTrain>& out,
              DropCounters& drops) noexcept;

  private:
    static constexpr std::size_t max_messages = 64;
    static constexpr std::size_t min_messages = 4;
    static constexpr std::size_t batch_bytes = std::size_t{256} << 10U;
    static constexpr std::size_t buffer_size = 65536;  // a whole train, as UDP_GRO demands
    static constexpr std::size_t control_size = CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(std::uint32_t));

    struct alignas(cmsghdr) Control {
        std::array<std::uint8_t, control_size> bytes{};
    };

    void prepare(std::size_t count) noexcept;
    void take(std::size_t index, UnderlaySocket& socket, Channel channel, std::vector<ReceivedTrain>& out,
              DropCounters& drops) noexcept;

    std::unique_ptr<std::uint8_t[]> buffers_;  // NOLINT(*-avoid-c-arrays): touched only as far as used
    std::array<mmsghdr, max_messages> messages_{};
    std::array<iovec, max_messages> parts_{};
    std::array<SocketAddress, max_messages> addresses_{};
    std::array<Control, max_messages> controls_{};
    std::array<std::size_t, channels> wanted_{};  // messages to ask for, of each
};

}  // namespace weft
