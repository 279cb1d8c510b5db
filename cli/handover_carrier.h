// A descriptor that holds the state of a handover (handover_state.h) while no process does, and gives it away
// once: what was taken cannot be taken again, not after a crash and not by a second process, since two that
// go on with one key would use a nonce twice.
//
//   memfd_secret(2)   where the kernel has it (Linux 6.5, or secretmem.enable=1): locked, in no core dump,
//   not
//                     even mapped by the kernel, wiped when it goes. Taken by an atomic exchange of its first
//                     word, then overwritten with zeros
//
//      word: 1 it is there, 2 taken (8) | size (8) | state
//
//   a pipe            elsewhere: the kernel's own pages, never in swap or in a core dump; what was read is
//   gone.
//                     What the kernel does not do is wipe them. It takes pipe_size at most
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>

#include <fcntl.h>

#include "crypto/secret_buffer.h"
#include "vswitch/system.h"
#include "vswitch/system_call.h"

namespace weft {

class HandoverCarrier {
  public:
    enum class Kind { best, pipe };

    static constexpr std::size_t pipe_size = std::size_t{1} << 20U;  // what a user may have

    // The largest that take() accepts.
    static constexpr std::size_t largest = std::size_t{256} << 20U;

    // Nothing if no kind holds it.
    static std::optional<Descriptor> fill(std::span<const std::uint8_t> state,
                                          Kind kind = Kind::best) noexcept;

    // Nothing if it was taken already, or is no such descriptor.
    static std::optional<SecretBuffer> take(const Descriptor& carrier) noexcept;
};

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

// fill()
inline constexpr std::array handover_carrier_system_calls{
    SystemCall{SYS_memfd_secret},           SystemCall{SYS_ftruncate}, SystemCall{SYS_pipe2},
    SystemCall{SYS_fcntl, 1, F_SETPIPE_SZ}, SystemCall{SYS_write},     SystemCall{SYS_close},
};

}  // namespace weft
