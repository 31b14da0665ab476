// A doubly linked list whose links live in its elements: O(1) removal from anywhere, no allocation. Owns
// nothing; an element unlinks itself when it is destroyed.
#pragma once

namespace io {

template <class Tag>
struct ListNode {
  ListNode* previous = nullptr;
  ListNode* next = nullptr;

  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { unlink(); }

  bool linked() const { return next != nullptr; }
  void unlink() {
    if (next == nullptr) return;
    previous->next = next;
    next->previous = previous;
    previous = next = nullptr;
  }
};

// T derives from ListNode<Tag>.
template <class T, class Tag>
class List {
 public:
  List() { root_.previous = root_.next = &root_; }
  ~List() {
    while (!empty()) root_.next->unlink();
    root_.previous = root_.next = nullptr;
  }
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  bool empty() const { return root_.next == &root_; }
  void push_back(ListNode<Tag>& node) { insert_before(root_, node); }
  void push_front(ListNode<Tag>& node) { insert_before(*root_.next, node); }
  T* front() { return empty() ? nullptr : static_cast<T*>(root_.next); }
  T* back() { return empty() ? nullptr : static_cast<T*>(root_.previous); }
  T* after(T& item) {
    ListNode<Tag>* node = static_cast<ListNode<Tag>&>(item).next;
    return node == &root_ ? nullptr : static_cast<T*>(node);
  }
  T* take_front() {
    T* item = front();
    if (item != nullptr) static_cast<ListNode<Tag>*>(item)->unlink();
    return item;
  }
  void take_all(List& other) {
    if (other.empty()) return;
    other.root_.next->previous = root_.previous;
    other.root_.previous->next = &root_;
    root_.previous->next = other.root_.next;
    root_.previous = other.root_.previous;
    other.root_.previous = other.root_.next = &other.root_;
  }

 private:
  static void insert_before(ListNode<Tag>& at, ListNode<Tag>& node) {
    node.previous = at.previous;
    node.next = &at;
    at.previous->next = &node;
    at.previous = &node;
  }
  ListNode<Tag> root_;
};

}  // namespace io
