// One TCP connection that has as much to send as its window allows (tcp_sender.h, tcp_receiver.h).
#pragma once

#include "lab/simulation/generator.h"
#include "lab/simulation/tcp_receiver.h"
#include "lab/simulation/tcp_sender.h"

namespace weft::lab {

class TcpTraffic final : public Generator {
  public:
    static constexpr std::uint16_t port = 5001;  // at the receiver

    explicit TcpTraffic(const Context& context);

    void run(Instant now) override;
    void arrived(const Received& datagram, Instant now) override;
    void returned(const Received& datagram, Instant now) override;

    [[nodiscard]] TrafficResult result() const override;

  private:
    [[nodiscard]] std::size_t segment_size() const;

    // What the two halves want sent, in order. An answer may come back before a segment has been sent: it is
    // put behind.
    struct Outgoing {
        bool there = true;
        TcpSegment segment;
    };

    void flush();
    void send(const Outgoing& outgoing);
    void reschedule();

    Route there_;
    Route back_;
    std::vector<std::uint8_t> payload_;
    Instant now_;
    std::vector<Outgoing> outbox_;
    bool flushing_ = false;
    bool started_ = false;
    bool closed_ = false;
    TcpSender sender_;
    TcpReceiver receiver_;
};

}  // namespace weft::lab
