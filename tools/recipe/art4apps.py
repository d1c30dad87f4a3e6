"""Art4Apps: a children's picture dictionary in clip art, from Debian's pysiogame; a file's name is what it shows."""
import glob
import os

from openclipart import match

FOLDER = "/usr/share/games/pysiogame/res/images/art4apps/"
# Its folders by the names wordnet.FILES knows; "actions" are verbs and left out.
KINDS = {"animals": "animals", "body": "body", "clothes_n_accessories": "clothes", "construction": "buildings",
         "food": "food", "fruit_n_veg": "food", "jobs": "people", "nature": "nature", "people": "people",
         "sport": "sport", "transport": "transportation"}


def collect(names):
    """-> list of entries as openclipart.collect gives them."""
    entries = []
    for folder, kind in sorted(KINDS.items()):
        for path in sorted(glob.glob(os.path.join(FOLDER, folder, "*.jpg"))):
            title = os.path.basename(path)[:-4].replace("_", " ")
            entry = dict(path=kind + "/" + title, title=title, keywords=[], description="", grey=False, italian=False,
                         is_italian=False, own_title="", source="art4apps", png=path)
            entry["exact"], entry["head"] = match(names, entry)
            entry["concept"] = entry["exact"] or "clip:" + title.replace(" ", "-")
            entries.append(entry)
    return entries
