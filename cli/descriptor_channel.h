// Between two processes of one program (weftd and its keeper, keeper.h): messages of JSON, each with file
// descriptors (SCM_RIGHTS, unix(7)), over a SOCK_SEQPACKET pair. What comes through it was sent by the same
// program.
//
// Errors: std::runtime_error; the end of the other side is nothing received. A message has at most
// max_descriptors, and 1 MiB.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "vswitch/system.h"

namespace weft {

struct ChannelMessage {
    nlohmann::json body;
    std::vector<Descriptor> descriptors{};
};

class DescriptorChannel {
  public:
    static constexpr std::size_t max_descriptors = 64;

    explicit DescriptorChannel(Descriptor socket);

    static std::pair<Descriptor, Descriptor> make_pair();

    // The descriptors stay the caller's.
    void send(const nlohmann::json& body, const std::vector<int>& descriptors = {}) const;

    [[nodiscard]] std::optional<ChannelMessage> receive() const;

    // No more is sent; receive() goes on.
    void finish() const noexcept;

    // For the event loop: readable when receive() would not wait.
    [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }

  private:
    Descriptor socket_;
};

}  // namespace weft
