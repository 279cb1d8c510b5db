// Network namespaces: a device is opened inside one and stays usable from outside it, by its descriptor.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "vswitch/system.h"

namespace weft {

// "host-a" is /run/netns/host-a. Throws std::runtime_error naming the namespace if there is none.
Descriptor open_namespace(const std::string& name_or_path);

// Runs `work` on this thread inside the namespace `name_or_path` (nothing: where the thread is already) and
// comes back, also when `work` throws. Throws std::runtime_error naming the namespace if it cannot be
// entered; aborts if it cannot come back.
void in_namespace(const std::optional<std::string>& name_or_path, const std::function<void()>& work);

}  // namespace weft
