// The icons: 24 grid, 1.5 px at any size, round caps. Only `open` is mirrored in right-to-left.

export const drawings = {
  alert: 'M12 3.2a8.8 8.8 0 1 0 0 17.6 8.8 8.8 0 0 0 0-17.6ZM12 7.6v5M12 16.2v.1',
  check: 'm5 12.5 4.5 4.5L19 7.5',
  chevron: 'm6 9 6 6 6-6',
  clock: 'M12 3.2a8.8 8.8 0 1 0 0 17.6 8.8 8.8 0 0 0 0-17.6ZM12 7.2V12l3 2',
  close: 'm6 6 12 12M18 6 6 18',
  copy: 'M9 9h9a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2h-7a2 2 0 0 1-2-2ZM9 15H6a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2h7a2 2 0 0 1 2 2v3',
  jump: 'M12 5v14m-6-6 6 6 6-6',
  new: 'M12 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-6M18.4 3.6a1.7 1.7 0 0 1 2.4 2.4L12.5 14.3 9 15l.7-3.5Z',
  offline:
    'M4 4l16 16M8.5 8.6a10 10 0 0 0-5.2 2.6M11.4 7.7a10 10 0 0 1 9.3 3.5M14.6 13.2a6 6 0 0 1 2.6 1.6M6.8 14.8a6 6 0 0 1 5.4-1.7M12 18.8v.1',
  open: 'M7 17 17 7M9 7h8v8',
  retry: 'M19.5 12a7.5 7.5 0 1 1-2.3-5.4L19.5 9M19.5 4.5V9H15',
  send: 'M12 19V5m-6 6 6-6 6 6',
  stop: 'M8.5 6h7A2.5 2.5 0 0 1 18 8.5v7a2.5 2.5 0 0 1-2.5 2.5h-7A2.5 2.5 0 0 1 6 15.5v-7A2.5 2.5 0 0 1 8.5 6Z',
} as const;

export type IconName = keyof typeof drawings;

export function Icon({ name, size }: { name: IconName; size: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path d={drawings[name]} />
    </svg>
  );
}
