// The kernel's poller: one epoll instance a thread.
#pragma once

#include <memory>

#include "io/loop.h"

namespace io {

// nullptr when the process is out of descriptors.
std::unique_ptr<Poller> make_epoll_poller();

}  // namespace io
