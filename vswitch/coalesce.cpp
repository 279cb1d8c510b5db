#include "vswitch/coalesce.h"

#include "vswitch/checksum.h"
#include "vswitch/headers.h"

namespace weft {

namespace {

constexpr std::size_t max_datagram = 65535;
constexpr std::uint8_t end_of_data = TcpHeader::fin | TcpHeader::psh;

template <class Header>
Header* at(std::uint8_t* data, std::size_t offset) noexcept {
    return reinterpret_cast<Header*>(data + offset);
}

// What the checksum field holds that a device is to complete.
std::uint16_t partial_checksum(const SegmentHeaders& headers, std::uint16_t transport_size) noexcept {
    ChecksumSum sum;
    sum.add(headers.addresses());
    sum.add(std::uint32_t{headers.is_tcp ? ip_protocol::tcp : ip_protocol::udp});
    sum.add(std::uint32_t{transport_size});
    return sum.partial();
}

void write_lengths(const SegmentHeaders& headers, std::uint16_t transport_size) noexcept {
    if (headers.is_v6) {
        at<Ipv6Header>(headers.data, headers.network)->payload_length = transport_size;
        return;
    }
    const auto length = static_cast<std::uint16_t>(headers.transport - headers.network + transport_size);
    auto* ip = at<Ipv4Header>(headers.data, headers.network);
    ip->checksum = update_checksum(ip->checksum, ip->total_length, length);
    ip->total_length = length;
}

}  // namespace

Coalescer::OpenRun& Coalescer::slot_of(const SegmentHeaders& headers) noexcept {
    return open_[headers.flow_hash() % max_open];
}

// Whether the numbers, the sizes and the limits allow it.
bool Coalescer::follows(const OpenRun& run, const SegmentHeaders& next) noexcept {
    const std::size_t size = next.payload_size();
    if (size > run.first.payload_size()) return false;
    if (run.size + size - run.first.network > max_datagram) return false;
    if (!next.is_v6 && at<Ipv4Header>(next.data, next.network)->identification != run.next_identification) {
        return false;
    }
    return !next.is_tcp || at<TcpHeader>(next.data, next.transport)->sequence == run.next_sequence;
}

// True if the packet at `index` belongs to the run now.
bool Coalescer::join(OpenRun& run, std::uint32_t index, const SegmentHeaders& next) noexcept {
    if (!same_flow(run.first, next) || !follows(run, next) || !same_template(run.first, next)) return false;
    if (!run.verified && !run.first.verify()) return false;
    run.verified = true;
    if (!next.verify()) return false;

    const std::uint32_t size = next.payload_size();
    next_[run.last] = index;
    run.last = index;
    run.size += size;
    run.next_sequence += size;
    ++run.next_identification;
    if (next.is_tcp) run.last_flags = at<TcpHeader>(next.data, next.transport)->flags;
    const bool is_last = ++runs_[run.run].count == max_packets || size < run.first.payload_size() ||
                         (run.last_flags & end_of_data) != 0;
    if (is_last) close(run);
    return true;
}

// A packet that ends a run cannot begin one.
void Coalescer::open(OpenRun& run, Packet& packet, const SegmentHeaders& headers) noexcept {
    run = {.first = headers,
           .packet = &packet,
           .run = static_cast<std::uint32_t>(runs_.size() - 1),
           .last = runs_.back().first,
           .size = headers.size};
    if (headers.is_tcp) {
        const auto* tcp = at<TcpHeader>(headers.data, headers.transport);
        if ((tcp->flags & end_of_data) != 0) {
            run.first.data = nullptr;
            return;
        }
        run.next_sequence = tcp->sequence + headers.payload_size();
        run.last_flags = tcp->flags;
    }
    if (!headers.is_v6) {
        const auto* ip = at<Ipv4Header>(headers.data, headers.network);
        run.next_identification = static_cast<std::uint16_t>(ip->identification + 1);
    }
    ++open_count_;
}

// The first packet's headers become the super-frame's, its checksum the pseudo-header's alone.
void Coalescer::close(OpenRun& run) noexcept {
    const SegmentHeaders first = run.first;
    run.first.data = nullptr;
    --open_count_;
    if (runs_[run.run].count == 1) return;

    runs_[run.run].headers = first.payload;
    const auto transport_size = static_cast<std::uint16_t>(run.size - first.transport);
    write_lengths(first, transport_size);
    Offload offload{.needs_checksum = true, .gso_size = static_cast<std::uint16_t>(first.payload_size())};
    if (first.is_tcp) {
        auto* tcp = at<TcpHeader>(first.data, first.transport);
        tcp->flags |= run.last_flags & end_of_data;
        tcp->checksum = partial_checksum(first, transport_size);
        offload.gso = first.is_v6 ? Offload::Gso::tcp6 : Offload::Gso::tcp4;
        offload.checksum_offset = offsetof(TcpHeader, checksum);
    } else {
        auto* udp = at<UdpHeader>(first.data, first.transport);
        udp->length = transport_size;
        udp->checksum = partial_checksum(first, transport_size);
        offload.gso = Offload::Gso::udp;
        offload.checksum_offset = offsetof(UdpHeader, checksum);
    }
    run.packet->offload() = offload;
    run.packet->set_checksum_start(first.transport);
}

void Coalescer::close_flow(const SegmentHeaders& headers) noexcept {
    OpenRun& run = slot_of(headers);
    if (run.first.data != nullptr && same_flow(run.first, headers)) close(run);
}

void Coalescer::close_addresses(const SegmentHeaders& headers) noexcept {
    for (OpenRun& run : open_) {
        if (run.first.data != nullptr && same_addresses(run.first, headers)) close(run);
    }
}

void Coalescer::take(std::uint32_t index, Packet& packet, const SegmentHeaders& headers) noexcept {
    OpenRun& run = slot_of(headers);
    if (run.first.data != nullptr) {
        if (join(run, index, headers)) return;
        close(run);
    }
    runs_.push_back({.first = index});
    open(run, packet, headers);
}

std::span<const Coalescer::Run> Coalescer::arrange(std::span<Packet> batch, LinkLayer link,
                                                   bool udp) noexcept {
    runs_.clear();
    next_.resize(batch.size());
    for (std::uint32_t i = 0; i < batch.size(); ++i) {
        SegmentHeaders headers;
        const Joinability joinability = headers.inspect(batch[i], link, udp);
        if (joinability == Joinability::joinable) {
            take(i, batch[i], headers);
            continue;
        }
        if (joinability == Joinability::alone && open_count_ > 0) close_flow(headers);
        if (joinability == Joinability::obscure && open_count_ > 0) close_addresses(headers);
        runs_.push_back({.first = i});
    }
    for (OpenRun& run : open_) {
        if (run.first.data != nullptr) close(run);
    }
    return runs_;
}

std::span<iovec> Coalescer::gather(const Run& run, std::span<Packet> batch,
                                   std::span<iovec> parts) const noexcept {
    parts[0] = {batch[run.first].data(), batch[run.first].size()};
    std::uint32_t index = run.first;
    for (std::size_t i = 1; i < run.count; ++i) {
        index = next_[index];
        Packet& packet = batch[index];
        parts[i] = {packet.data() + run.headers, packet.size() - run.headers};
    }
    return parts.first(run.count);
}

}  // namespace weft
