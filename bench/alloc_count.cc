// Counts a program's heap allocations, for `./dev bench allocations`: preloaded with LD_PRELOAD, it stands
// before glibc's malloc and keeps its count in the file named by ALLOC_COUNT_FILE (eight bytes, mapped),
// which the benchmark reads while the program runs. It must not allocate itself.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* block, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
}

namespace {

std::atomic<uint64_t> before_mapping;
std::atomic<std::atomic<uint64_t>*> counter = &before_mapping;

void count() { counter.load(std::memory_order_relaxed)->fetch_add(1, std::memory_order_relaxed); }

__attribute__((constructor)) void map_counter() {
  const char* path = getenv("ALLOC_COUNT_FILE");
  if (!path) return;
  int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ftruncate(file, 4096) != 0) return;
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) counter = static_cast<std::atomic<uint64_t>*>(page);
}

}  // namespace

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED void* malloc(size_t size) { return count(), __libc_malloc(size); }
EXPORTED void* calloc(size_t number, size_t size) { return count(), __libc_calloc(number, size); }
EXPORTED void* realloc(void* block, size_t size) { return count(), __libc_realloc(block, size); }
EXPORTED void* memalign(size_t alignment, size_t size) { return count(), __libc_memalign(alignment, size); }
EXPORTED void* aligned_alloc(size_t alignment, size_t size) {
  return count(), __libc_memalign(alignment, size);
}
EXPORTED int posix_memalign(void** block, size_t alignment, size_t size) {
  count();
  *block = __libc_memalign(alignment, size);
  return *block ? 0 : ENOMEM;
}
