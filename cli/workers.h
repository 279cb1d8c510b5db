// All workers of a node, as the control thread sees them. Each has a complete datapath, so what changes the
// node is told to every one of them, and each does the same; what one learns from a packet is relayed to the
// others, by way of the control thread. Packets are never handed from one to another.
#pragma once

#include <cstddef>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "cli/worker.h"
#include "overlay/underlay.h"

namespace weft {

class Workers {
  public:
    // `event_waiting` as for a Worker: called on any of their threads.
    Workers(unsigned count, std::size_t pool_packets, std::uint32_t max_flows,
            const std::function<void()>& event_waiting);

    [[nodiscard]] unsigned count() const noexcept { return static_cast<unsigned>(workers_.size()); }

    // Each gets sockets of its own; `options` but for whose they are. Throws as Underlay does.
    void open_underlay(UnderlayOptions options);

    // The same of sockets that another process has made, by worker.
    using UnderlayParts = std::vector<std::vector<std::pair<UnderlayPart, Descriptor>>>;
    void adopt_underlay(UnderlayOptions options, UnderlayParts& parts);

    // Everything is there that a packet may meet.
    void begin_reading() {
        post_all([](Worker& worker) { worker.begin_reading(); });
    }

    void post(unsigned worker, Worker::Command command) { workers_[worker]->post(std::move(command)); }

    // Ends all threads; nothing is posted after that.
    void stop() {
        for (const auto& worker : workers_) worker->stop();
    }

    [[nodiscard]] Worker& stopped(unsigned worker) noexcept { return *workers_[worker]; }

    // A copy of the command for each.
    template <class Command>
    void post_all(const Command& command) {
        for (const auto& worker : workers_) worker->post(command);
    }

    // The same, and waits until all have carried it out. A worker never waits for the control thread.
    template <class Command>
    void run_all(const Command& command) {
        std::latch done(static_cast<std::ptrdiff_t>(workers_.size()));
        post_all([&command, &done](Worker& worker) {
            command(worker);
            done.count_down();
        });
        done.wait();
    }

    // What one worker has emitted, for the datapaths of the others.
    template <class News>
    void relay(unsigned from, const News& news) {
        for (unsigned worker = 0; worker < count(); ++worker) {
            if (worker == from) continue;
            post(worker, [news](Worker& told) { told.datapath().tell(news, told.now()); });
        }
    }

    struct Emitted {
        unsigned worker = 0;
        WorkerEvent event;
    };

    // The workers take turns, so that none of them can be drowned out.
    [[nodiscard]] std::optional<Emitted> next_event();

  private:
    void use(std::vector<std::unique_ptr<Underlay>> sockets);

    std::vector<std::unique_ptr<Worker>> workers_;
    unsigned turn_ = 0;
};

// As many as there are CPUs that this process may run on.
unsigned automatic_workers();

}  // namespace weft
