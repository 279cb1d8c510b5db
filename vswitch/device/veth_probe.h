// Whether frames really cross the patch between a veth port's host end and its TAP. Redirecting fails in
// silence, so the answer is one frame each way: from the namespace to the TAP, and back. They have an
// EtherType for local experiments (IEEE 802, 88B5), are for nobody, and nobody takes notice.
#pragma once

#include <memory>
#include <span>

#include "vswitch/device/device.h"
#include "vswitch/device/new_interface.h"

namespace weft {

// Takes a few milliseconds, and a second if they don't. What else has come out of the TAP meanwhile is lost:
// the port is not in use yet. Throws std::runtime_error if it cannot even try.
bool frames_cross(std::span<const std::unique_ptr<Device>> tap, const NewInterface& inner);

}  // namespace weft
