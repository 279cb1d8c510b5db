#include "lab/simulation/tcp_segment.h"

#include <algorithm>

namespace weft::lab {

namespace {

constexpr std::uint8_t end_of_options = 0;
constexpr std::uint8_t no_operation = 1;
constexpr std::uint8_t maximum_size = 2;
constexpr std::uint8_t window_scale = 3;
constexpr std::uint8_t sack_permitted = 4;
constexpr std::uint8_t sack = 5;

constexpr std::size_t syn_options = 12;

std::size_t options_size(const TcpSegment& segment) noexcept {
    if (segment.max_segment) return syn_options;
    return segment.blocks == 0 ? 0 : 4 + 8 * segment.blocks;
}

void write_options(std::uint8_t* at, const TcpSegment& segment) noexcept {
    if (segment.max_segment) {
        const std::uint16_t size = *segment.max_segment;
        const std::array<std::uint8_t, syn_options> options{maximum_size,
                                                            4,
                                                            static_cast<std::uint8_t>(size >> 8U),
                                                            static_cast<std::uint8_t>(size),
                                                            no_operation,
                                                            window_scale,
                                                            3,
                                                            tcp_window_scale,
                                                            sack_permitted,
                                                            2,
                                                            no_operation,
                                                            no_operation};
        std::ranges::copy(options, at);
        return;
    }
    if (segment.blocks == 0) return;
    *at++ = no_operation;
    *at++ = no_operation;
    *at++ = sack;
    *at++ = static_cast<std::uint8_t>(2 + 8 * segment.blocks);
    for (std::size_t i = 0; i < segment.blocks; ++i) {
        for (const std::uint32_t edge : {segment.block[i].begin, segment.block[i].end}) {
            const auto bytes = std::bit_cast<std::array<std::uint8_t, 4>>(be32{edge});
            at = std::ranges::copy(bytes, at).out;
        }
    }
}

void read_blocks(std::span<const std::uint8_t> option, TcpSegment& segment) noexcept {
    segment.blocks = std::min((option.size() - 2) / 8, TcpSegment::max_blocks);
    for (std::size_t i = 0; i < segment.blocks; ++i) {
        segment.block[i] = {view<be32>(option, 2 + 8 * i)->value(), view<be32>(option, 6 + 8 * i)->value()};
    }
}

}  // namespace

void write_tcp(Packet& packet, const Endpoints& between, const TcpSegment& segment,
               std::span<const std::uint8_t> payload) noexcept {
    const std::size_t header_size = sizeof(TcpHeader) + options_size(segment);
    const auto transport = begin_datagram(packet, between, ip_protocol::tcp, header_size + payload.size());
    *writable_view<TcpHeader>(transport) = {.source_port = between.source_port,
                                            .destination_port = between.destination_port,
                                            .sequence = segment.sequence,
                                            .acknowledgment = segment.acknowledgment,
                                            .data_offset = static_cast<std::uint8_t>(header_size / 4 << 4U),
                                            .flags = segment.flags,
                                            .window = segment.window,
                                            .checksum = std::uint16_t{0},
                                            .urgent = std::uint16_t{0}};
    write_options(transport.data() + sizeof(TcpHeader), segment);
    std::ranges::copy(payload, transport.data() + header_size);
    finish_tcp(transport, between);
}

std::optional<TcpSegment> parse_tcp(std::span<const std::uint8_t> transport) noexcept {
    const auto* header = view<TcpHeader>(transport);
    if (header == nullptr) return std::nullopt;
    const std::size_t header_size = header->header_size();
    if (header_size < sizeof *header || header_size > transport.size()) return std::nullopt;
    TcpSegment segment{.sequence = header->sequence,
                       .acknowledgment = header->acknowledgment,
                       .flags = header->flags,
                       .window = header->window,
                       .max_segment = std::nullopt,
                       .payload = transport.size() - header_size};
    auto options = transport.subspan(sizeof *header, header_size - sizeof *header);
    while (!options.empty() && options[0] != end_of_options) {
        if (options[0] == no_operation) {
            options = options.subspan(1);
            continue;
        }
        if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) return std::nullopt;
        const auto option = options.first(options[1]);
        if (option[0] == maximum_size && option.size() == 4)
            segment.max_segment = view<be16>(option, 2)->value();
        if (option[0] == sack) read_blocks(option, segment);
        options = options.subspan(option.size());
    }
    return segment;
}

}  // namespace weft::lab
