#include "control/state_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace control {

bool write_new_file(const std::string& path, std::string_view text, mode_t mode) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) return false;
  bool whole = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  whole &= fsync(fd) == 0;
  int why = errno;
  close(fd);
  if (!whole) unlink(path.c_str());
  errno = why;
  return whole;
}

std::string make_state_folder(const std::string& gate_folder) {
  std::string path = gate_folder + "/" + std::string(kStateFolder);
  mkdir(path.c_str(), 0700);
  chmod(path.c_str(), 0700);
  write_new_file(path + "/.gitignore", "*\n", 0644);
  return path;
}

}  // namespace control
