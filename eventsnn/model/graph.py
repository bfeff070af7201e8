"""Graphs of populations: strong components, topological order, and one cycle to show the user."""


def strong_components(n, edges):
    """Component number of each of `n` nodes, numbered so that every edge goes from a lower or equal number upward."""
    out = [[] for _ in range(n)]
    for a, b in edges:
        out[a].append(b)
    index, low, on_stack, stack, found = [None] * n, [0] * n, [False] * n, [], []
    counter = 0
    for root in range(n):
        if index[root] is not None:
            continue
        work = [(root, 0)]
        while work:
            node, k = work.pop()
            if k == 0:
                index[node] = low[node] = counter
                counter += 1
                stack.append(node)
                on_stack[node] = True
            while k < len(out[node]):
                succ = out[node][k]
                k += 1
                if index[succ] is None:
                    work.append((node, k))
                    work.append((succ, 0))
                    break
                if on_stack[succ]:
                    low[node] = min(low[node], index[succ])
            else:
                if low[node] == index[node]:
                    members = []
                    while not members or members[-1] != node:
                        members.append(stack.pop())
                        on_stack[members[-1]] = False
                    found.append(members)
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])
    number = [0] * n
    for k, members in enumerate(reversed(found)):
        for node in members:
            number[node] = k
    return number


def ranks(n, edges):
    """Longest-path rank of each node in the graph of strong components: the order of processing in one instant."""
    number = strong_components(n, edges)
    rank = [0] * (max(number) + 1 if n else 0)
    for a, b in sorted(((number[a], number[b]) for a, b in edges)):
        if a != b:
            rank[b] = max(rank[b], rank[a] + 1)
    return [rank[k] for k in number]


def find_cycle(n, edges):
    """The nodes of one cycle, in order, or None."""
    number = strong_components(n, edges)
    inside = [(a, b) for a, b in edges if number[a] == number[b]]
    if not inside:
        return None
    start = inside[0][0]
    came, frontier = {start: None}, [start]
    while frontier:
        node = frontier.pop(0)
        for a, b in inside:
            if a != node:
                continue
            if b == start:
                path = [node]
                while came[path[-1]] is not None:
                    path.append(came[path[-1]])
                return path[::-1]
            if b not in came:
                came[b] = node
                frontier.append(b)
    return None
