#include "overlay/carried_session.h"

#include <functional>
#include <map>

namespace weft {

std::optional<Handshaker::Resumed> resumed(std::span<const std::vector<CarriedSession>> workers,
                                           std::uint64_t handshakes) {
    const CarriedSession* newest = nullptr;
    // By session, the newest first, an SPI that the peer sends to in it; 0: there is none.
    std::map<std::uint32_t, std::uint32_t, std::greater<>> spis;
    for (const auto& sessions : workers) {
        for (const CarriedSession& carried : sessions) {
            if (newest == nullptr || carried.session.id > newest->session.id) newest = &carried;
            std::uint32_t& spi = spis[carried.session.id];
            if (!carried.session.inbound.empty()) spi = carried.session.inbound.front().spi;
        }
    }
    if (newest == nullptr) return std::nullopt;
    Handshaker::Resumed resumed{.established = newest->session.established,
                                .initiator = newest->session.initiator,
                                .newest_id = newest->session.id,
                                .handshakes = handshakes};
    for (const auto& [session, spi] : spis)
        if (spi != 0) resumed.inbound_spis.push_back(spi);
    return resumed;
}

}  // namespace weft
