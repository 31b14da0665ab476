// For tests only: an HTTP(S) server on this machine that answers with the very bytes a test says, and a loop
// to fetch from it with. Each connection is a thread; what is asked of it is kept.
#pragma once

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "control/curl_fetcher.h"
#include "io/clock.h"
#include "io/epoll.h"
#include "io/loop.h"
#include "io/mailbox.h"
#include "tls/test_certificates.h"

namespace control::testing {

inline std::string http_answer(std::string_view status, std::string_view fields, std::string_view body) {
  return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(fields) + "\r\n" + std::string(body);
}

struct Asked {
  std::string line;  // "GET /a HTTP/1.1"
  std::string head;  // all of it
  std::string body;
};

class TestIssuer {
 public:
  // The bytes to answer with; empty: the connection is closed. Called on the connections' threads, one at a
  // time.
  using Answer = std::function<std::string(const Asked&)>;

  explicit TestIssuer(Answer answer, const tls::testing::TestCertificate* certificate = nullptr)
      : answer_(std::move(answer)), fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (certificate != nullptr) make_context(*certificate);
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof local;
    bind(fd_, reinterpret_cast<sockaddr*>(&local), length);
    listen(fd_, 64);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&local), &length);
    port_ = std::to_string(ntohs(local.sin_port));
    accepting_ = std::thread([this] { accept_all(); });
  }
  ~TestIssuer() {
    shutdown(fd_, SHUT_RDWR);
    accepting_.join();
    {
      std::lock_guard lock(mutex_);
      for (int client : clients_) shutdown(client, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    for (int client : clients_) close(client);
    close(fd_);
  }
  TestIssuer(const TestIssuer&) = delete;
  TestIssuer& operator=(const TestIssuer&) = delete;

  const std::string& port() const { return port_; }
  std::string url(std::string_view path = "/") const {
    return (context_ ? "https://localhost:" : "http://127.0.0.1:") + port_ + std::string(path);
  }
  std::vector<Asked> asked() const {
    std::lock_guard lock(mutex_);
    return asked_;
  }
  size_t connections() const {
    std::lock_guard lock(mutex_);
    return clients_.size();
  }

 private:
  // A connection's bytes, with TLS or without.
  struct Wire {
    int fd;
    SSL* ssl;
    long read(char* to, int most) {
      return ssl != nullptr ? SSL_read(ssl, to, most) : recv(fd, to, static_cast<size_t>(most), 0);
    }
    bool write(std::string_view text) {
      if (text.empty()) return false;
      if (ssl != nullptr) return SSL_write(ssl, text.data(), static_cast<int>(text.size())) > 0;
      return send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
    }
  };

  void make_context(const tls::testing::TestCertificate& certificate) {
    context_.reset(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    BIO* bio = BIO_new_mem_buf(certificate.pem().data(), static_cast<int>(certificate.pem().size()));
    X509* leaf = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(context_.get(), leaf);
    X509_free(leaf);
    BIO_free(bio);
    std::string key_text = certificate.key_pem();
    bio = BIO_new_mem_buf(key_text.data(), static_cast<int>(key_text.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    SSL_CTX_use_PrivateKey(context_.get(), key);
    EVP_PKEY_free(key);
    BIO_free(bio);
  }

  void accept_all() {
    for (;;) {
      int client = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) return;
      std::lock_guard lock(mutex_);
      clients_.push_back(client);
      threads_.emplace_back([this, client] { serve(client); });
    }
  }

  void serve(int client) {
    std::unique_ptr<SSL, decltype(&SSL_free)> ssl(context_ ? SSL_new(context_.get()) : nullptr, SSL_free);
    if (ssl) SSL_set_fd(ssl.get(), client);
    if (!ssl || SSL_accept(ssl.get()) == 1) {
      Wire wire{client, ssl.get()};
      while (auto asked = read_request(wire)) {
        std::string text;
        {
          std::lock_guard lock(mutex_);
          asked_.push_back(*asked);
          text = answer_(*asked);
        }
        if (!wire.write(text)) break;
      }
    }
    shutdown(client, SHUT_RDWR);
  }

  static std::optional<Asked> read_request(Wire& wire) {
    Asked asked;
    char byte;
    while (!asked.head.ends_with("\r\n\r\n")) {
      if (wire.read(&byte, 1) != 1) return std::nullopt;
      asked.head += byte;
    }
    asked.line = asked.head.substr(0, asked.head.find('\r'));
    std::string head = base::lowercase(asked.head);
    constexpr std::string_view kLength = "\r\ncontent-length: ";
    size_t at = head.find(kLength);
    size_t length = at == head.npos ? 0 : std::stoul(head.substr(at + kLength.size()));
    while (asked.body.size() < length) {
      if (wire.read(&byte, 1) != 1) return std::nullopt;
      asked.body += byte;
    }
    return asked;
  }

  Answer answer_;
  std::shared_ptr<SSL_CTX> context_;
  int fd_;
  std::string port_;
  mutable std::mutex mutex_;
  std::vector<Asked> asked_;  // guarded by mutex_, as is what follows
  std::list<int> clients_;
  std::list<std::thread> threads_;
  std::thread accepting_;
};

// A loop with a fetcher on it.
class FetchWorld {
 public:
  explicit FetchWorld(std::string machine_roots = "") {
    std::signal(SIGPIPE, SIG_IGN);
    fetcher_ = std::make_unique<CurlFetcher>(
        CurlFetcher::Parts{.loop = loop, .mailbox = mailbox, .machine_roots = std::move(machine_roots)});
  }

  CurlFetcher& fetcher() { return *fetcher_; }
  // Begins a fetch, whose number it gives.
  size_t start(FetchRequest request) {
    // The default is for issuers; a test waits as long as a broken machine might need.
    if (request.timeout == FetchRequest{}.timeout) request.timeout = base::seconds(600);
    results_.emplace_back();
    scope.spawn(ask(results_.size() - 1, std::move(request)));
    return results_.size() - 1;
  }
  bool answered(size_t number) const { return results_[number].has_value(); }
  FetchResult wait(size_t number) {
    while (!results_[number]) turn();
    return *results_[number];
  }
  FetchResult fetch(FetchRequest request) { return wait(start(std::move(request))); }
  void turn() {
    loop.turn(base::kNever);
    mailbox.deliver();
  }

  std::unique_ptr<io::Poller> poller = io::make_epoll_poller();
  io::Loop loop{io::system_clock(), *poller};
  io::Mailbox mailbox{loop};

 private:
  io::Task<> ask(size_t number, FetchRequest request) {
    FetchResult result = co_await fetcher_->fetch(std::move(request));
    results_[number] = std::move(result);
  }

  std::unique_ptr<CurlFetcher> fetcher_;
  std::deque<std::optional<FetchResult>> results_;

 public:
  io::Scope scope;
};

}  // namespace control::testing
