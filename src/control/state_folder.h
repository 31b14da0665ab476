// The folder `.gatehouse` in the gate's own, for what a running gate keeps: its keys, its sessions. Only the
// gate's user looks into it, and git does not. Whoever reads a file there finds the whole of it or none, also
// while another gate starts on the same folder.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace control {

inline constexpr std::string_view kStateFolder = ".gatehouse";

// Makes it if it can be made; what is then written there tells whether it could.
std::string make_state_folder(const std::string& gate_folder);  // its path

// Of two gates that start at once one writes and the other reads. False: it is there already (EEXIST), or
// errno says why not.
bool write_new_file(const std::string& path, std::string_view text, mode_t mode);
// In the place of one that may be there. False: errno says why not, and all is as before.
bool replace_file(const std::string& path, std::string_view text, mode_t mode);

}  // namespace control
