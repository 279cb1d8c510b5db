// Any bytes as what another weftd has left: refused with a reason in one line, or read, and the same when
// packed and read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include "cli/handover_state.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    weft::HandoverState state;
    try {
        state = weft::unpack({data, size});
    } catch (const std::runtime_error& refusal) {
        const std::string_view reason = refusal.what();
        if (reason.empty() || reason.find('\n') != std::string_view::npos) std::abort();
        return 0;
    }
    const weft::SecretBuffer packed = weft::pack(state);
    if (packed.bytes().size() > size) std::abort();
    auto again = weft::unpack(packed.bytes());
    if (!std::ranges::equal(weft::pack(again).bytes(), packed.bytes())) std::abort();
    return 0;
}
