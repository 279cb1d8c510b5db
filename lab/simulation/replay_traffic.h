// The frames of a capture, at their times, from one host to another on the same link or bridge. They are sent
// as they are but for their MAC addresses, which become those of the two hosts; group addresses stay.
#pragma once

#include <vector>

#include "lab/simulation/capture_file.h"
#include "lab/simulation/generator.h"

namespace weft::lab {

class ReplayTraffic final : public Generator {
  public:
    explicit ReplayTraffic(const Context& context);

    void run(Instant now) override;
    void arrived(const Received& datagram, Instant now) override;
    void returned(const Received& datagram, Instant now) override;
    bool frame_arrived(std::span<const std::uint8_t> frame, Instant now) override;

  private:
    void reschedule();

    std::vector<CapturedFrame> frames_;
    std::size_t position_ = 0;
    std::size_t interface_ = 0;
    MacAddress source_;
    MacAddress destination_;
};

}  // namespace weft::lab
