#include "crypto/code_pages.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

namespace weft {

void give_back_code_pages(const void* within) noexcept {
    const auto give_back = [](dl_phdr_info* object, std::size_t, void* wanted) noexcept {
        const std::span headers{object->dlpi_phdr, object->dlpi_phnum};
        const auto address = reinterpret_cast<std::uintptr_t>(wanted);
        const auto holds = [&](const auto& header) {
            const std::uintptr_t begin = object->dlpi_addr + header.p_vaddr;
            return header.p_type == PT_LOAD && address >= begin && address < begin + header.p_memsz;
        };
        if (wanted != nullptr && std::ranges::none_of(headers, holds)) return 0;
        const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
        for (const auto& header : headers) {
            if (header.p_type != PT_LOAD || (header.p_flags & PF_W) != 0) continue;
            const std::uintptr_t begin = (object->dlpi_addr + header.p_vaddr) & ~(page - 1);
            const std::uintptr_t end = object->dlpi_addr + header.p_vaddr + header.p_memsz;
            // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader tells addresses as integers
            ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
        }
        return 0;
    };
    ::dl_iterate_phdr(give_back, const_cast<void*>(within));
}

}  // namespace weft
