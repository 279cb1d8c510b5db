// The service manager's side of a planned restart: it keeps descriptors for a service that ends, and gives
// them to the next process of it (sd_notify(3): FDSTORE=1; sd_listen_fds(3)). When the service is stopped for
// good the manager closes them.
//
// Whoever has such a store says so by FDSTORE, the number of descriptors that it holds: systemd from 254 on
// by itself, before by the unit (systemd/weftd.service). Each descriptor has a name of its own. The manager
// does not look after them (FDPOLL=0): a device that is gone meanwhile is found out by the next process.
//
// One thread at a time. Nothing here throws; the log tells what fails.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include "vswitch/system.h"
#include "vswitch/system_call.h"

namespace weft {

class DescriptorStore {
  public:
    // Once, before threads are made: what the process has begun with, by name, and whether there is a store.
    // The environment says nothing of it from then on.
    static DescriptorStore open();

    [[nodiscard]] std::size_t room() const noexcept { return room_; }  // 0: there is no store

    // Those that the process has begun with; the store forgets them.
    std::vector<std::pair<std::string, Descriptor>> take();

    // In this order. Returns when the manager has them; false: it does not say so.
    bool keep(const std::vector<std::pair<std::string, int>>& descriptors) const;

  private:
    std::size_t room_ = 0;
    std::vector<std::pair<std::string, Descriptor>> begun_with_;
};

// keep(): sd_notify_barrier(3) waits for the other end of a pipe.
inline constexpr std::array descriptor_store_system_calls{
    SystemCall{SYS_pipe2},
    SystemCall{SYS_ppoll},
    SystemCall{sys_poll},
    SystemCall{SYS_close},
};

}  // namespace weft
