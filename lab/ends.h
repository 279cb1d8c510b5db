// The ends of a lab's links that are the kernel's: a TAP in the namespace of a host or site, whose other side
// is a descriptor here, or a packet socket at an interface of the machine. Offloads are on: super-frames pass
// as they are until a wire cuts them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "cli/loop.h"
#include "lab/network.h"
#include "vswitch/device/device.h"
#include "vswitch/packet.h"

namespace weft::lab {

class Ends {
  public:
    // Takes the frames that somebody has sent by an end.
    using Sent = std::function<void(EndId end, std::vector<Packet>& frames)>;

    Ends(Loop& loop, PacketPool& pool, Sent sent);
    ~Ends();
    Ends(const Ends&) = delete;
    Ends& operator=(const Ends&) = delete;

    void add(EndId end, std::unique_ptr<Device> device);

    // Of `end`, which has been added. Clears `frames`.
    void deliver(EndId end, std::vector<Packet>& frames) noexcept;

    // Whether the interface sees a cable (LOWER_UP) or none (NO-CARRIER); what comes meanwhile it takes all
    // the same. Linux 5.0; else, and of an interface of the machine, which has a cable of its own: nothing
    // happens.
    void set_carrier(EndId end, bool carrier) noexcept;

    // Frames that could not be read or delivered, since the start.
    [[nodiscard]] std::uint64_t drops(EndId end) const noexcept;

  private:
    struct End;
    struct State;
    std::unique_ptr<State> state_;
};

// In the network namespace that the thread is in.
std::unique_ptr<Device> make_tap(const LinkEnd& end);

}  // namespace weft::lab
