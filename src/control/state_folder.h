// The folder `.gatehouse` in the gate's own, for what a running gate keeps: its keys, its sessions. Only the
// gate's user looks into it, and git does not.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace control {

inline constexpr std::string_view kStateFolder = ".gatehouse";

// Makes it if it can be made; what is then written there tells whether it could.
std::string make_state_folder(const std::string& gate_folder);  // its path

// Made with O_EXCL, so that of two gates starting at once one writes and the other reads. False: it is there
// already, or errno says why not; no half of it stays.
bool write_new_file(const std::string& path, std::string_view text, mode_t mode);

}  // namespace control
