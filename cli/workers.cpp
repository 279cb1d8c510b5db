#include "cli/workers.h"

#include <algorithm>

#include <sched.h>

#include "overlay/worker_pairing.h"

namespace weft {

Workers::Workers(unsigned count, std::size_t pool_packets, std::uint32_t max_flows,
                 const std::function<void()>& event_waiting) {
    workers_.reserve(count);
    for (unsigned i = 0; i < count; ++i)
        workers_.push_back(std::make_unique<Worker>(pool_packets, max_flows, event_waiting));
    if (count > 1) post_all([](Worker& worker) { worker.datapath().announce_learned(); });
}

// All are bound, in the workers' order, before any is used.
void Workers::open_underlay(UnderlayOptions options) {
    std::vector<std::unique_ptr<Underlay>> sockets(count());
    for (unsigned i = 0; i < count(); ++i) {
        options.workers = count();
        options.worker = i;
        sockets[i] = std::make_unique<Underlay>(options, i == 0 ? nullptr : sockets[0].get());
    }
    use(std::move(sockets));
}

void Workers::adopt_underlay(UnderlayOptions options, UnderlayParts& parts) {
    std::vector<std::unique_ptr<Underlay>> sockets(count());
    for (unsigned i = 0; i < count(); ++i) {
        options.workers = count();
        options.worker = i;
        sockets[i] = std::make_unique<Underlay>(options, parts.at(i));
    }
    use(std::move(sockets));
}

void Workers::use(std::vector<std::unique_ptr<Underlay>> sockets) {
    for (unsigned i = 0; i < count(); ++i)
        post(i, [own = std::move(sockets[i])](Worker& worker) mutable { worker.use(std::move(own)); });
}

std::optional<Workers::Emitted> Workers::next_event() {
    for (unsigned i = 0; i < count(); ++i) {
        const unsigned worker = std::exchange(turn_, (turn_ + 1) % count());
        if (auto event = workers_[worker]->next_event()) return Emitted{worker, std::move(*event)};
    }
    return std::nullopt;
}

unsigned automatic_workers() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return 1;
    return std::clamp(static_cast<unsigned>(CPU_COUNT(&allowed)), 1U, max_workers);
}

}  // namespace weft
