#include "vswitch/segmenter.h"

#include <algorithm>
#include <cstring>

#include "vswitch/headers.h"

namespace weft {

namespace {

// A checksum of zero would mean that there is none (RFC 768).
std::uint16_t never_zero(std::uint16_t checksum) noexcept {
    return checksum == 0 ? std::uint16_t{0xFFFF} : checksum;
}

ChecksumSum address_sum(const std::uint8_t* ip, bool is_v6) noexcept {
    ChecksumSum sum;
    if (is_v6) {
        sum.add({ip + offsetof(Ipv6Header, source), 32});
    } else {
        sum.add({ip + offsetof(Ipv4Header, source), 8});
    }
    return sum;
}

// Where the IP header at bytes[network] ends (an IPv6 header: its fixed part); 0 if it is none that a
// super-frame with `protocol` may have.
std::size_t network_end(std::span<const std::uint8_t> bytes, std::size_t network, bool is_v6,
                        std::uint8_t protocol) noexcept {
    if (is_v6) return view<Ipv6Header>(bytes, network) == nullptr ? 0 : network + sizeof(Ipv6Header);
    const auto* ip = view<Ipv4Header>(bytes, network);
    if (ip == nullptr || ip->header_size() < sizeof(Ipv4Header)) return 0;
    return ip->protocol != protocol || ip->is_fragment() ? 0 : network + ip->header_size();
}

}  // namespace

std::size_t transport_header_size(std::span<const std::uint8_t> bytes, std::size_t transport,
                                  Offload::Gso gso) noexcept {
    if (gso == Offload::Gso::udp) return view<UdpHeader>(bytes, transport) != nullptr ? sizeof(UdpHeader) : 0;
    const auto* tcp = view<TcpHeader>(bytes, transport);
    if (tcp == nullptr || tcp->header_size() < sizeof(TcpHeader)) return 0;
    return bytes.size() - transport < tcp->header_size() ? 0 : tcp->header_size();
}

std::expected<Segmenter, Drop> Segmenter::of(const Packet& packet, std::uint16_t network) noexcept {
    if (packet.offload().gso == Offload::Gso::none) return of_plain(packet);
    Segmenter segmenter;
    segmenter.network_ = network;
    if (!segmenter.lay_out(packet)) return std::unexpected(Drop::malformed);
    segmenter.add_up();
    return segmenter;
}

// A checksum that cannot be in the packet is left alone.
Segmenter Segmenter::of_plain(const Packet& packet) noexcept {
    Segmenter segmenter;
    segmenter.data_ = packet.data();
    segmenter.size_ = packet.size();
    if (!packet.offload().needs_checksum) return segmenter;
    const std::size_t start = packet.checksum_start();
    const std::size_t field = start + packet.offload().checksum_offset;
    if (start > packet.size() || view<be16>(packet.bytes(), field) == nullptr) return segmenter;
    segmenter.transport_ = start;
    segmenter.checksum_field_ = field;
    return segmenter;
}

bool Segmenter::lay_out(const Packet& packet) noexcept {
    const auto bytes = packet.bytes();
    const Offload& offload = packet.offload();
    data_ = bytes.data();
    size_ = bytes.size();
    gso_size_ = offload.gso_size;
    kind_ = offload.gso == Offload::Gso::udp ? Kind::udp : Kind::tcp;
    if (gso_size_ == 0 || network_ >= size_) return false;

    const unsigned version = bytes[network_] >> 4U;
    is_v6_ = version == 6;
    const bool family_fits = offload.gso == Offload::Gso::tcp4   ? version == 4
                             : offload.gso == Offload::Gso::tcp6 ? version == 6
                                                                 : version == 4 || version == 6;
    if (!family_fits) return false;

    const std::uint8_t protocol = kind_ == Kind::tcp ? ip_protocol::tcp : ip_protocol::udp;
    const std::size_t end = network_end(bytes, network_, is_v6_, protocol);
    transport_ = packet.checksum_start();
    if (end == 0 || (is_v6_ ? transport_ < end : transport_ != end)) return false;
    const std::size_t header = transport_header_size(bytes, transport_, offload.gso);
    if (header == 0) return false;
    payload_ = transport_ + header;
    count_ = std::max<std::size_t>(1, (size_ - payload_ + gso_size_ - 1) / gso_size_);
    return true;
}

void Segmenter::add_up() noexcept {
    const std::span<const std::uint8_t> bytes{data_, size_};
    if (!is_v6_) {
        const auto* ip = view<Ipv4Header>(bytes, network_);
        identification_ = ip->identification;
        Ipv4Header fixed = *ip;
        fixed.total_length = fixed.identification = fixed.checksum = std::uint16_t{0};
        network_sum_.add({reinterpret_cast<const std::uint8_t*>(&fixed), sizeof(fixed)});
        network_sum_.add(bytes.subspan(network_ + sizeof(fixed), ip->header_size() - sizeof(fixed)));
    }
    transport_sum_ = address_sum(data_ + network_, is_v6_);
    transport_sum_.add(std::uint32_t{kind_ == Kind::tcp ? ip_protocol::tcp : ip_protocol::udp});
    if (kind_ == Kind::udp) {
        transport_sum_.add(bytes.subspan(transport_, offsetof(UdpHeader, length)));
        return;
    }
    TcpHeader fixed = *view<TcpHeader>(bytes, transport_);
    sequence_ = fixed.sequence;
    flags_ = fixed.flags;
    fixed.sequence = std::uint32_t{0};
    fixed.flags = 0;
    fixed.checksum = std::uint16_t{0};
    transport_sum_.add({reinterpret_cast<const std::uint8_t*>(&fixed), sizeof(fixed)});
    transport_sum_.add(bytes.subspan(transport_ + sizeof(fixed), payload_ - transport_ - sizeof(fixed)));
}

void Segmenter::write(std::size_t index, std::uint8_t* out) const noexcept {
    if (kind_ == Kind::plain) return write_plain(out);
    const std::span payload{data_ + payload_ + index * gso_size_, payload_size(index)};
    ChecksumSum sum = transport_sum_;
    if (out == data_) {
        sum.add(payload);
    } else {
        std::memcpy(out, data_, payload_);
        sum.add_copied(payload, out + payload_);
    }
    sum.add(static_cast<std::uint32_t>(size(index) - transport_));
    write_network(index, out + network_);
    if (kind_ == Kind::tcp) {
        write_tcp(index, sum, out + transport_);
    } else {
        write_udp(index, sum, out + transport_);
    }
}

void Segmenter::write_network(std::size_t index, std::uint8_t* out) const noexcept {
    const auto length = static_cast<std::uint16_t>(size(index) - network_);
    if (is_v6_) {
        reinterpret_cast<Ipv6Header*>(out)->payload_length =
            static_cast<std::uint16_t>(length - sizeof(Ipv6Header));
        return;
    }
    auto* ip = reinterpret_cast<Ipv4Header*>(out);
    const auto identification = static_cast<std::uint16_t>(identification_ + index);
    ChecksumSum sum = network_sum_;
    sum.add(std::uint32_t{length});
    sum.add(std::uint32_t{identification});
    ip->total_length = length;
    ip->identification = identification;
    ip->checksum = sum.finish();
}

// FIN and PSH speak of the end of the data, CWR of its beginning (RFC 3168 section 6.1.2).
void Segmenter::write_tcp(std::size_t index, ChecksumSum sum, std::uint8_t* out) const noexcept {
    std::uint8_t flags = flags_;
    if (index != 0) flags &= static_cast<std::uint8_t>(~TcpHeader::cwr);
    if (index + 1 != count_) flags &= static_cast<std::uint8_t>(~(TcpHeader::fin | TcpHeader::psh));
    const auto sequence = static_cast<std::uint32_t>(sequence_ + index * gso_size_);
    sum.add(std::uint32_t{flags});
    sum.add(sequence);
    auto* tcp = reinterpret_cast<TcpHeader*>(out);
    tcp->sequence = sequence;
    tcp->flags = flags;
    tcp->checksum = sum.finish();
}

void Segmenter::write_udp(std::size_t index, ChecksumSum sum, std::uint8_t* out) const noexcept {
    const auto length = static_cast<std::uint16_t>(size(index) - transport_);
    sum.add(std::uint32_t{length});  // once for the pseudo-header, once for the field
    auto* udp = reinterpret_cast<UdpHeader*>(out);
    udp->length = length;
    udp->checksum = never_zero(sum.finish());
}

void Segmenter::write_plain(std::uint8_t* out) const noexcept {
    if (checksum_field_ == 0) {
        if (out != data_) std::memcpy(out, data_, size_);
        return;
    }
    const std::span summed{data_ + transport_, size_ - transport_};
    ChecksumSum sum;
    if (out == data_) {
        sum.add(summed);
    } else {
        std::memcpy(out, data_, transport_);
        sum.add_copied(summed, out + transport_);
    }
    const be16 checksum = never_zero(sum.finish());
    std::memcpy(out + checksum_field_, &checksum, sizeof(checksum));
}

}  // namespace weft
