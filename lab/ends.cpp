#include "lab/ends.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <fmt/format.h>

#include "vswitch/device/tuntap.h"

namespace weft::lab {

namespace {

constexpr std::size_t batch = 64;
constexpr Duration until_asked_again = std::chrono::seconds{1};

}  // namespace

struct Ends::End {
    std::unique_ptr<Device> device;
    DropCounters drops;
    std::optional<Poll> poll;    // always, once it is added
    std::optional<Timer> again;  // while the interface is down
};

struct Ends::State {
    Loop& loop;
    PacketPool& pool;
    Sent sent;
    std::vector<std::unique_ptr<End>> all;  // by index_of()
    std::vector<Packet> frames;

    static std::size_t index_of(EndId id) noexcept { return std::size_t{2} * id.link + id.which; }

    [[nodiscard]] End* find(EndId id) const noexcept {
        const std::size_t index = index_of(id);
        return index < all.size() ? all[index].get() : nullptr;
    }

    // NOLINTBEGIN(bugprone-unchecked-optional-access): it is the poll that calls
    void read(EndId id, End& end) {
        const auto status = end.device->read(pool, batch, frames, end.drops);
        if (!frames.empty()) sent(id, frames);
        frames.clear();
        if (status == Device::Status::down) {
            end.poll->watch({});
            if (!end.again) end.again.emplace(loop, [&end] { end.poll->watch({.readable = true}); });
            end.again->start(until_asked_again);
        } else if (status == Device::Status::gone) {
            end.poll->watch({});
            fmt::print(stderr, "the device {} was removed: its link is dead\n", end.device->name());
        }
    }

    // NOLINTEND(bugprone-unchecked-optional-access)
};

Ends::Ends(Loop& loop, PacketPool& pool, Sent sent)
    : state_(std::make_unique<State>(
          State{.loop = loop, .pool = pool, .sent = std::move(sent), .all = {}, .frames = {}})) {}

// For each device the kernel waits a while until nobody looks at it any more. So that the waits are not one
// after the other, there are some threads.
Ends::~Ends() {
    std::vector<std::unique_ptr<Device>> devices;
    for (const auto& end : state_->all) {
        if (!end) continue;
        end->again.reset();
        end->poll.reset();
        devices.push_back(std::move(end->device));
    }
    constexpr std::size_t devices_a_thread = 4;
    constexpr std::size_t most_threads = 32;
    std::atomic<std::size_t> next = 0;
    const auto close_some = [&] {
        for (std::size_t i = next++; i < devices.size(); i = next++) devices[i].reset();
    };
    std::vector<std::jthread> threads;
    try {
        while (threads.size() < std::min(devices.size() / devices_a_thread, most_threads))
            threads.emplace_back(close_some);
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): no more of them are to be had
    }
    close_some();
}

void Ends::add(EndId id, std::unique_ptr<Device> device) {
    auto added = std::make_unique<End>();
    End& end = *added;
    end.device = std::move(device);
    end.poll.emplace(state_->loop, end.device->descriptor(),
                     [this, id, &end](Poll::Events) { state_->read(id, end); });
    end.poll->watch({.readable = true});
    const std::size_t index = State::index_of(id);
    if (state_->all.size() <= index) state_->all.resize(index + 1);
    state_->all[index] = std::move(added);
}

void Ends::deliver(EndId id, std::vector<Packet>& frames) noexcept {
    if (End* end = state_->find(id)) end->device->write(frames, end->drops);
    frames.clear();
}

void Ends::set_carrier(EndId id, bool carrier) noexcept {
    const End* end = state_->find(id);
    int value = carrier ? 1 : 0;
    if (end != nullptr) ::ioctl(end->device->descriptor(), TUNSETCARRIER, &value);
}

std::uint64_t Ends::drops(EndId id) const noexcept {
    const End* end = state_->find(id);
    return end == nullptr ? 0 : end->drops.total();
}

std::unique_ptr<Device> make_tap(const LinkEnd& end) {
    return open_tuntap({.layer = TunTapOptions::Layer::tap,
                        .name = end.interface,
                        .netns = std::nullopt,
                        .mtu = end.mtu,
                        .mac = end.mac,
                        .addresses = end.addresses});
}

}  // namespace weft::lab
