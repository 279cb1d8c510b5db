#include "cli/code_pages.h"

#include <cstddef>
#include <cstdint>
#include <span>

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

namespace weft {

void give_back_code_pages() noexcept {
    const auto give_back = [](dl_phdr_info* object, std::size_t, void*) noexcept {
        const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
        for (const auto& header : std::span{object->dlpi_phdr, object->dlpi_phnum}) {
            if (header.p_type != PT_LOAD || (header.p_flags & PF_W) != 0) continue;
            const std::uintptr_t begin = (object->dlpi_addr + header.p_vaddr) & ~(page - 1);
            const std::uintptr_t end = object->dlpi_addr + header.p_vaddr + header.p_memsz;
            // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader tells addresses as integers
            ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
        }
        return 0;
    };
    ::dl_iterate_phdr(give_back, nullptr);
}

}  // namespace weft
