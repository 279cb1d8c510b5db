// A worker, one of perhaps several (workers.h): a thread with one event loop, one complete Datapath, the
// devices and the underlay sockets that belong to it. A packet is read, decided, sealed and written here
// without ever meeting another thread.
//
//   control thread  --- commands --->  worker      post(); executed between batches, in order
//   control thread  <--  events  ----  worker      next_event(), after `event_waiting` was called
//
// Both directions are bounded rings. A command waits for room; an event that finds none is lost (handshakes
// and reports repeat themselves, a lost port is asked for again, and what was learned is learned again).
//
// Reads are bounded: one batch, in packets and in bytes, for each readiness of a descriptor, then the others
// get their turn; what the batch caused is written out before the next one is read. A device that hands over
// more than that gets a Backlog, in which sparse flows pass the bulk.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <variant>
#include <vector>

#include "cli/loop.h"
#include "cli/ring.h"
#include "overlay/datapath.h"
#include "overlay/underlay.h"
#include "vswitch/backlog.h"
#include "vswitch/device/device.h"
#include "vswitch/device/impaired_device.h"
#include "vswitch/fast_flows.h"

namespace weft {

struct PortLost {  // its device was deleted by somebody else
    PortId port;
};

struct FlowDiffered {  // the kernel sent a packet of this flow another way than the datapath would have
    PortId in;
    PortId out;
};

struct SnapshotTaken {
    std::uint64_t request = 0;
    std::unique_ptr<Snapshot> snapshot;
};

using WorkerEvent =
    std::variant<std::monostate, ControlReceived, PeerReport, PeerMoved, SessionConfirmed, PathMtuChanged,
                 StationLearned, NeighborLearned, ProbeAnswered, PortLost, FlowDiffered, SnapshotTaken>;

// Of [offload].
struct OffloadSwitches {
    bool tun_gso = true;
    bool tun_gro = true;
    bool udp_gso = true;
    bool udp_gro = true;
};

class Worker {
  public:
    using Command = std::move_only_function<void(Worker&)>;

    // Starts the thread. `event_waiting` is called on that thread, and must do no more than wake the other
    // one up.
    Worker(std::size_t pool_packets, std::uint32_t max_flows, std::function<void()> event_waiting);

    ~Worker();  // stops it

    // Ends the thread, once: nothing is sent after that, and what had been read is on its way. The datapath
    // may be read from then on, and devices and sockets are open, and flows carried, as long as this object
    // lives.
    void stop();

    // Of a worker that has stopped; -1: it has no such port.
    [[nodiscard]] int device_queue(PortId port) const noexcept;
    [[nodiscard]] std::vector<UnderlayPart> underlay_parts() const;

    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // For the control thread.
    void post(Command command);

    [[nodiscard]] std::optional<WorkerEvent> next_event();

    // For commands, on the worker's thread.
    [[nodiscard]] Datapath& datapath() noexcept { return datapath_; }

    [[nodiscard]] Instant now() const noexcept { return loop_->now(); }

    // Before that nothing is read from devices and sockets: a packet shall find the node complete.
    void begin_reading();

    void attach(PortId port, std::unique_ptr<Device> device);  // to a port of the datapath's
    void detach(PortId port);                                  // and closes the device

    // What is between the port and its device from now on; nothing: no link. `name`: the port's.
    void impair(PortId port, const std::optional<PortLink>& link, const std::string& name);

    void use(std::unique_ptr<Underlay> underlay);
    void use(std::unique_ptr<FastFlows> fast_flows);  // this worker's part

    void busy_poll(Duration after_event) noexcept { loop_->busy_poll(after_event); }

    void use_offload(OffloadSwitches switches);          // of all devices, also those attached later
    [[nodiscard]] Snapshot snapshot(std::size_t flows);  // the datapath's, and what the devices tell
    bool emit(WorkerEvent event) noexcept;               // false: there was no room

  private:
    struct Attached {
        std::unique_ptr<Device> device;
        std::unique_ptr<Poll> poll;
        std::unique_ptr<Timer> retry;  // while the interface is down
        std::unique_ptr<Backlog> backlog;
        std::unique_ptr<Again> again;    // while there is a backlog
        ImpairedDevice* link = nullptr;  // the device, if it is one
    };

    void watch(PortId port, Attached& attached);
    void run();
    void finish();
    void obey();
    void read_device(PortId port);
    void relay(PortId port, std::vector<Packet>& packets) noexcept;
    void relay_backlog(PortId port, Attached& attached) noexcept;
    void read_underlay(Channel channel);
    void check_samples();
    void flush() noexcept;

    PacketPool pool_;
    Datapath datapath_;
    std::function<void()> event_waiting_;
    Ring<Command> commands_;
    Ring<WorkerEvent> events_;
    // What anybody can cause has rings of its own: a flood displaces nothing else.
    Ring<WorkerEvent> control_events_;  // ControlReceived
    Ring<WorkerEvent> learned_events_;  // StationLearned, NeighborLearned
    std::atomic<bool> stopping_ = false;

    // Made and destroyed on the worker's thread.
    std::unique_ptr<Loop> loop_;
    std::unique_ptr<Wakeup> wakeup_;
    std::unique_ptr<Timer> tick_;
    bool reads_ = false;
    std::map<PortId, Attached> devices_;  // outlive the thread, as underlay and fast path do
    OffloadSwitches offload_;
    std::unique_ptr<Underlay> underlay_;
    std::unique_ptr<Poll> esp_poll_;
    std::unique_ptr<Poll> control_poll_;
    std::unique_ptr<Poll> vxlan_poll_;

    std::unique_ptr<FastFlows> fast_flows_;  // null: there is no fast path
    std::unique_ptr<Poll> samples_poll_;
    std::uint64_t checked_ = 0;  // samples
    std::uint64_t differed_ = 0;

    std::vector<Packet> batch_;
    std::vector<ReceivedTrain> trains_;
    std::vector<RefusedDatagrams> refused_;

    std::thread thread_;
};

}  // namespace weft
