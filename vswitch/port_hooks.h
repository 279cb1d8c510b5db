// The fast path's programs at a port's devices. Putting them there takes CAP_NET_ADMIN, which weftd has given
// up when it runs, so it can be done in another process: that one gets the programs as descriptors
// (HookPrograms), and hands over the hooks (Hook::link).
//
// Owner: whoever has the object. A hook ends with it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include <linux/bpf.h>

#include "vswitch/device/virtio_header.h"
#include "vswitch/system.h"

namespace weft {

// Links end with the process that has them; on kernels before 6.6 there are none for tc, and filters (clsact)
// take their place, which stay until the next one replaces them or their device goes. The best for the TAP of
// a veth are filters.
enum class HookKind : std::uint8_t { best, links, filters };

// A program at a device.
class Hook {
  public:
    // What was attempted, on what, and why it failed.
    static std::expected<Hook, std::string> make(int program, unsigned device, bool ingress, HookKind kind);

    explicit Hook(Descriptor link) noexcept : link_(std::move(link)) {}

    Hook(Hook&& other) noexcept;
    Hook(const Hook&) = delete;
    Hook& operator=(const Hook&) = delete;
    Hook& operator=(Hook&&) = delete;
    ~Hook();

    // For another process; negative: it is a filter.
    [[nodiscard]] int link() const noexcept { return link_.get(); }

    // A filter stays, whatever becomes of this object.
    void leave() noexcept { filter_ = false; }

  private:
    Hook(unsigned device, bool ingress) noexcept : device_(device), ingress_(ingress) {}

    int attach_link(int program) noexcept;
    int attach_filter(int program) noexcept;

    unsigned device_ = 0;
    bool ingress_ = false;
    Descriptor link_;
    bool filter_ = false;
};

// Descriptors of what FastPath has loaded (fast_path.h says what they are); they belong to whoever gives
// them.
struct HookPrograms {
    int veth_ingress = -1;
    int patch_ingress = -1;
    int patch_egress = -1;
    int tap_egress = -1;
    int tun_egress = -1;
    int patches = -1;  // maps
    int flows = -1;
    int actions = -1;
};

struct PortHooks {
    bool is_veth = false;
    bool leads_elsewhere = false;  // to another namespace
    bool merges = false;           // what its host end sends (device/veth_merging.h)
    unsigned device = 0;           // a TAP, a TUN, or the end of a veth that is here
    unsigned patch = 0;            // of a veth: the TAP
    LinkLayer link_layer = LinkLayer::ethernet;
    std::vector<Hook> hooks{};
    std::string why_no_flows{};  // what has come of trying it (path_probe.h); empty: it carries flows
};

// Of devices of this network namespace, by their interface indices.
std::expected<PortHooks, std::string> hook_veth(const HookPrograms& programs, unsigned host_end,
                                                unsigned patch_tap, HookKind kind = HookKind::best);
std::expected<PortHooks, std::string> hook_device(const HookPrograms& programs, unsigned device,
                                                  HookKind kind = HookKind::best);

}  // namespace weft
