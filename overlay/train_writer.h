// Writes trains of datagrams to a UDP socket: sendmmsg(2) for many at once, each of them a whole train where
// UDP_SEGMENT is on. underlay.h says what happens to a train that the kernel refuses.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <sys/socket.h>
#include <sys/uio.h>

#include "overlay/outbox.h"
#include "overlay/socket_address.h"
#include "overlay/underlay.h"
#include "overlay/underlay_socket.h"

namespace weft {

class TrainWriter {
  public:
    void use_gso(bool wanted) noexcept { gso_ = wanted; }

    [[nodiscard]] bool uses_gso() const noexcept { return gso_; }

    // Queues a train; what is queued may go at any time.
    void add(const UnderlaySocket& socket, const DatagramTrain& train,
             std::vector<RefusedDatagrams>& refused) noexcept;

    // Sends what was queued. Before another socket's turn.
    void flush(const UnderlaySocket& socket, std::vector<RefusedDatagrams>& refused) noexcept;

  private:
    static constexpr std::size_t max_messages = 64;

    struct alignas(cmsghdr) Control {
        std::array<std::uint8_t, CMSG_SPACE(sizeof(std::uint16_t))> bytes{};
    };

    void push(const UnderlaySocket& socket, const DatagramTrain& train, std::span<const std::uint8_t> bytes,
              std::vector<RefusedDatagrams>& refused) noexcept;
    void mark_as_train(std::size_t index) noexcept;
    void refuse(const UnderlaySocket& socket, std::size_t index, int error,
                std::vector<RefusedDatagrams>& refused) noexcept;
    static void send_apart(const UnderlaySocket& socket, const msghdr& message, const DatagramTrain& train,
                           std::vector<RefusedDatagrams>& refused) noexcept;

    std::array<mmsghdr, max_messages> messages_{};
    std::array<iovec, max_messages> parts_{};
    std::array<SocketAddress, max_messages> addresses_{};
    std::array<Control, max_messages> controls_{};
    std::array<const DatagramTrain*, max_messages> trains_{};
    std::size_t queued_ = 0;
    bool gso_ = false;
};

}  // namespace weft
