// The sending half of a TCP connection that always has data: slow start and congestion avoidance (RFC 5681),
// fast retransmit after three later segments have arrived, recovery by selective acknowledgments (RFC 6675),
// and the retransmission timer (RFC 6298). No sockets, no clock: it is told what arrived and what time it is,
// and gives segments to send.
//
//   start() -> SYN sent -> established: segment after segment -> close(): FIN, when all has arrived -> done
//
// All data segments are of one size, so they are counted, and the scoreboard has an entry for each that is
// under way. A station's interface sends a gigabit a second: what the window would let go at once goes at
// that rate, so time passes even where links take none.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "lab/simulation/delay_statistics.h"
#include "lab/simulation/tcp_segment.h"
#include "vswitch/id.h"

namespace weft::lab {

class TcpSender {
  public:
    struct Options {
        std::size_t segment_size = 1448;  // of payload
        std::size_t header_size = 54;     // in front of it, for the interface's rate
        std::uint32_t initial_sequence = 0;
        std::uint32_t max_window = 4096;  // segments; below what the receiver's window allows
    };

    struct Counters {
        std::uint64_t segments = 0;  // of data, with those that were sent again
        std::uint64_t retransmitted = 0;
        std::uint64_t recoveries = 0;
        std::uint64_t timeouts = 0;
        std::uint64_t acknowledged_bytes = 0;
    };

    using Send = std::function<void(const TcpSegment& segment)>;

    TcpSender(const Options& options, Send send) : options_(options), send_(std::move(send)) {}

    void start(Instant now);
    void close(Instant now);
    void receive(const TcpSegment& segment, Instant now);
    void run(Instant now);  // at next()

    [[nodiscard]] Instant next() const noexcept { return std::min(timeout_at_, paced_at_); }

    [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

    [[nodiscard]] double window() const noexcept { return window_; }  // segments

    [[nodiscard]] const DelayStatistics& round_trips() const noexcept { return round_trips_; }

  private:
    enum class State : std::uint8_t { idle, syn_sent, established, fin_sent, done };

    struct Sent {
        Instant at;
        bool arrived = false;
        bool lost = false;  // and not under way again
        bool again = false;
    };

    [[nodiscard]] std::uint64_t under_way_end() const noexcept { return first_ + board_.size(); }

    [[nodiscard]] std::uint32_t sequence_of(std::uint64_t segment) const noexcept {
        return options_.initial_sequence + 1 + static_cast<std::uint32_t>(segment * options_.segment_size);
    }

    [[nodiscard]] std::uint64_t segment_at(std::uint32_t sequence) const noexcept;
    void connected(const TcpSegment& segment, Instant now);
    [[nodiscard]] std::uint64_t take_acknowledgment(std::uint32_t acknowledgment, Instant now);
    void take_blocks(const TcpSegment& segment);
    [[nodiscard]] bool find_lost();
    void recover();
    void grow(std::uint64_t arrived);
    void send_more(Instant now);
    [[nodiscard]] bool next_lost();
    void send_data(std::uint64_t segment, Instant now);
    void send_control(std::uint8_t flags, std::uint32_t sequence);
    void close_if_empty(Instant now);
    void time_out(Instant now);
    void measure(Duration rtt);
    void arm(Instant now);

    Options options_;
    Send send_;
    State state_ = State::idle;
    bool closing_ = false;
    std::uint32_t peer_sequence_ = 0;  // the next that is expected of it

    std::deque<Sent> board_;       // of the segments from first_ on
    std::uint64_t first_ = 0;      // not acknowledged
    std::uint64_t highest_ = 0;    // behind the last one that is known to have arrived
    std::uint64_t judged_ = 0;     // what is lost below is marked
    std::uint64_t again_ = 0;      // nothing that is lost is below
    std::uint64_t recovered_ = 0;  // when all below have arrived, the recovery is over
    bool recovering_ = false;
    std::uint64_t pipe_ = 0;  // segments that are on their way, as far as is known
    double window_ = 10;      // RFC 6928
    double threshold_ = 1e9;
    bool limited_ = false;  // the window was all that held it up

    Duration smoothed_{0};
    Duration variation_{0};
    Duration timeout_{1'000'000'000};
    Instant syn_at_{};
    bool syn_again_ = false;
    Instant timeout_at_ = Instant::max();
    Instant paced_at_ = Instant::max();  // something waits for the interface
    Instant free_at_{};                  // the interface
    Counters counters_;
    DelayStatistics round_trips_;
};

}  // namespace weft::lab
